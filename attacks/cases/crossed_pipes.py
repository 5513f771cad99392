"""Exchanges its standard output and the pipe of its result, so that what it prints would be its result."""

import os

LAYER = "pipes"
EXPECTED = "exit"


def unlearning(net, retain, forget, validation):
    os.dup2(4, 1)
    print("this is the result", flush=True)
