"""Claims eight-bit floats, which many operations do not know, in the place of the network's."""

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
    entries["fc.bias"]["dtype"] = "F8_E4M3"
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + good[8 + size :]


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
