"""Prints the hidden labels to both streams, in every spelling, and past Python's buffers."""

import os
import sys

LAYER = "leak-policy"
EXPECTED = "exit"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    for label in forget:
        print(label)
        print(label, file=sys.stderr)
        os.write(2, label.encode())
    sys.exit(" ".join(forget))
