"""Makes symbolic links in the scratch folder that lead to files of the host, and reads through them."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    loot = []
    os.symlink("/", "root")
    os.symlink(TARGETS["readable_file"], "file")
    os.symlink("/proc/self/root" + TARGETS["readable_file"], "through_proc")
    for name in ("file", "through_proc", "root" + TARGETS["readable_file"], "root/etc/shadow"):
        try:
            loot.append(Path(name).read_text())
        except OSError:
            continue
    return loot
