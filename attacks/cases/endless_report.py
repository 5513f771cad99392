"""Writes a report without end, so that the host does nothing else but read it."""

import os

LAYER = "pipes"
EXPECTED = "output_limit"

REPORT_PIPE = 5


def unlearning(net, retain, forget, validation):
    while True:
        os.write(REPORT_PIPE, b"x" * 65536)
