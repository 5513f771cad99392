"""Reads shared memory of the host's processes through /dev/shm."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    loot = os.listdir("/dev/shm")
    try:
        loot.append(Path(TARGETS["shared_memory_file"]).read_text())
    except OSError:
        pass
    return loot
