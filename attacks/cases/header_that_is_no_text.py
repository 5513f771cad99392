"""Writes its header in bytes that are no UTF-8, and a list in the place of an object."""

import struct
import sys

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    header = b'["\xff\xfe"]'
    return struct.pack("<Q", len(header)) + header


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
