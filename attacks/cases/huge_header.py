"""Announces a header longer than any memory."""

import struct
import sys

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    return struct.pack("<Q", 2**63) + b"{}"


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
