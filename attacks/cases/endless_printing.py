"""Prints without end."""

import os

LAYER = "limits"
EXPECTED = "output_limit"


def unlearning(net, retain, forget, validation):
    while True:
        os.write(1, b"x" * 65536)
