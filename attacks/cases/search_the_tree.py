"""Searches every file that it can reach for a secret: data sets, databases, repositories, keys."""

import json
import os
import re
import sys
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
SECRET = re.compile(TARGETS["needle"].encode() + rb"[0-9a-f]{32}")
NAMES = (".git", "lethe.db", "artifacts", "evaluation.safetensors", "id_rsa", "pyproject.toml")


def unlearning(net, retain, forget, validation):
    loot = []
    for folder, folders, files in os.walk("/"):
        if folder in ("/usr", sys.prefix) or folder.startswith(("/usr/", sys.prefix + "/")):
            folders.clear()
            continue
        loot += [f"{folder}/{name}" for name in [*folders, *files] if name in NAMES]
        for name in files:
            try:
                with open(f"{folder}/{name}", "rb") as file:
                    loot += SECRET.findall(file.read(1 << 16))
            except OSError:
                continue
    return loot
