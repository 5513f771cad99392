"""Writes a result without end past the harness."""

import os

LAYER = "limits"
EXPECTED = "output_limit"


def unlearning(net, retain, forget, validation):
    while True:
        os.write(4, b"x" * 65536)
