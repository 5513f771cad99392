"""Writes into files and folders of the host that anybody may write to, and into the system's own."""

import json
import os
import sys
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
PATHS = [
    TARGETS["writable_file"],
    TARGETS["writable_folder"] + "/new",
    "/new",
    "/usr/new",
    "/etc/passwd",
    "/etc/ld.so.preload",
]
PATHS += ["/dev/new", "/proc/new", "/proc/cpuinfo", "/usr/bin/env", sys.executable, "/var/tmp/new", "/run/new"]


def unlearning(net, retain, forget, validation):
    loot = []
    for path in PATHS:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666))
            loot.append(path)
        except OSError:
            continue
    return loot
