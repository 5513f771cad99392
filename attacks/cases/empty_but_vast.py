"""Claims a shape without a single element whose other dimensions overflow."""

import json
import struct
import sys

from safetensors.torch import save

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def forged(state):
    good = save({name: tensor for name, tensor in state.items() if name != "fc.bias"})
    size = struct.unpack_from("<Q", good)[0]
    entries = json.loads(good[8 : 8 + size])
    end = len(good) - 8 - size
    entries["fc.bias"] = {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [end, end]}
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + good[8 + size :]


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
