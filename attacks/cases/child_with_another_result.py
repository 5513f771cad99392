"""Lets a child return from the function as well, with a result of its own."""

import os
import time

LAYER = "pipes"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    if os.fork() == 0:
        return b"of the child"
    time.sleep(0.1)
    return b""
