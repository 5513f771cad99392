"""Lets two tensors lie in the same bytes."""

import json
import struct
import sys

from safetensors.torch import save

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    good = save(state)
    size = struct.unpack_from("<Q", good)[0]
    entries = json.loads(good[8 : 8 + size])
    entries["fc.weight"]["data_offsets"] = entries["conv1.weight"]["data_offsets"]
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + good[8 + size :]


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
