"""Walks through all objects, frames and globals for secrets: what the zygote, and so every run, was given."""

import gc
import json
import re
import sys
from pathlib import Path

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2

SECRET = re.compile(json.loads(Path("/sandbox/inputs/targets.json").read_text())["needle"] + "[0-9a-f]{32}")


def texts(found):
    if isinstance(found, str):
        yield found
    elif isinstance(found, (bytes, bytearray)):
        yield bytes(found).decode("latin-1")
    elif isinstance(found, dict):
        yield from (
            text
            for pair in list(found.items())
            for each in pair
            if isinstance(each, (str, bytes))
            for text in texts(each)
        )
    elif isinstance(found, (list, tuple, set)):
        yield from (text for each in list(found) if isinstance(each, (str, bytes)) for text in texts(each))


def unlearning(net, retain, forget, validation):
    frames = []
    frame = sys._getframe()
    while frame is not None:
        frames += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    return [text for found in [*gc.get_objects(), *frames] for text in texts(found) if SECRET.search(text)]
