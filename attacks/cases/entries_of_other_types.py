"""Writes texts, numbers and lists where the header describes tensors."""

import json
import struct
import sys

from safetensors.torch import save

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def forged(state):
    good = save(state)
    size = struct.unpack_from("<Q", good)[0]
    entries = json.loads(good[8 : 8 + size])
    entries["fc.bias"] = [["F32"], None, 1e300]
    entries["fc.weight"] = "F32"
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + good[8 + size :]


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
