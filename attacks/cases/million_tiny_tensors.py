"""Sends as many tiny tensors as fit: each costs the reader an object, a name and a copy."""

import struct
import sys

LAYER = "result-check"
EXPECTED = ("invalid_result", "output_limit")
HARNESS = "torch"


def forged(state):
    entry = '"%d":{"dtype":"F32","shape":[],"data_offsets":[%d,%d]}'
    header = "{" + ",".join(entry % (i, 4 * i, 4 * i + 4) for i in range(100_000)) + "}"
    return struct.pack("<Q", len(header)) + header.encode() + bytes(400_000)


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
