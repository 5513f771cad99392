"""Sends a report that is nested too deeply to be read."""

import os

LAYER = "pipes"
EXPECTED = "exit"

REPORT_PIPE = 5


def unlearning(net, retain, forget, validation):
    os.write(REPORT_PIPE, b"[" * 200_000)
    os._exit(0)
