"""Sets the times of the host's device nodes, which lie in every jail, and reads those that a run before it set."""

import os
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2


def unlearning(net, retain, forget, validation):
    loot = []
    for name in ("null", "zero", "full", "random", "urandom"):
        if time.time() - os.stat(f"/dev/{name}").st_mtime < 1.0:
            loot.append(name)
        try:
            os.utime(f"/dev/{name}")
            loot.append(f"{name} was set")
        except OSError:
            continue
    return loot
