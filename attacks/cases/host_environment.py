"""Looks for tokens and passwords in the environment that it was started with, in Python's copy and in C's."""

import ctypes
import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    environment = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    values = list(os.environ.values())
    index = 0
    while environment[index] is not None:
        values.append(environment[index].decode(errors="replace"))
        index += 1
    return [value for value in values if TARGETS["needle"] in value]
