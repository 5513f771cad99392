"""Ends with an exit code that is a byte of a hidden label."""

import os

LAYER = "leak-policy"
EXPECTED = "exit"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    os._exit(forget[0].encode()[-1])
