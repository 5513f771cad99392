"""Names every tensor twice, once as it should be and once as it likes: readers differ in which they take."""

import struct
import sys

from safetensors.torch import save

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    good = save(state)
    size = struct.unpack_from("<Q", good)[0]
    header = good[8 : 8 + size].strip()
    doubled = header[:-1] + b"," + header[1:]
    return struct.pack("<Q", len(doubled)) + doubled + good[8 + size :]


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
