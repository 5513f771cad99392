"""Puts code into the interpreter's environment that every later start of Python would run."""

import os
import site
import sys

LAYER = "filesystem"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    folders = [*site.getsitepackages(), sys.prefix, os.path.dirname(os.__file__), "/usr/lib/python3/dist-packages"]
    loot = []
    for folder in folders:
        for name in ("evil.pth", "sitecustomize.py", "torch.py"):
            try:
                with open(f"{folder}/{name}", "w") as file:
                    file.write("import os\n")
                loot.append(f"{folder}/{name}")
            except OSError:
                continue
    return loot
