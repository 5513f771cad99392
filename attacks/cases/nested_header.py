"""Nests the header so deeply that reading it overflows a stack."""

import struct
import sys

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    header = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    return struct.pack("<Q", len(header)) + header


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
