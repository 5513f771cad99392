"""Reports hidden labels in every part of a report and under names that nobody asked for."""

import json
import os

LAYER = "leak-policy"
EXPECTED = "no_result"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    parts = dict.fromkeys(("type", "message", "traceback", "owner", "code", "text", "stdout"), " ".join(forget))
    os.write(5, json.dumps({"status": "no_result", **parts}).encode())
    os._exit(0)
