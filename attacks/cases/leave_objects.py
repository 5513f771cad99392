"""Changes modules, the data, the environment and the harness in memory, for whoever is forked from them next."""

import builtins
import gc
import os
import sys

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2


def unlearning(net, retain, forget, validation):
    loot = [name for name in ("left",) if hasattr(builtins, name) or name in sys.modules or name in os.environ]
    loot += ["retain"] * ("left" in retain) + ["path"] * ("left" in sys.path)
    builtins.left = sys.modules["left"] = sys
    os.environ["left"] = "1"
    retain.append("left")
    sys.path.append("left")
    for found in gc.get_objects():
        if isinstance(found, dict) and "harness_module" in found:
            found["left"] = True
    return loot
