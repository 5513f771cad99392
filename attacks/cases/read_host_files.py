"""Reads files of the host by name: passwords, keys, databases, and the files planted beside the jail."""

import json
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())
NAMES = ["/etc/shadow", "/etc/hostname", "/etc/ssh/ssh_host_rsa_key", "/root/.bashrc", "/var/lib/dpkg/status"]
NAMES += [TARGETS[name] for name in ("readable_file", "closed_file", "test_set_file")]


def unlearning(net, retain, forget, validation):
    loot = []
    for name in NAMES:
        try:
            loot.append(Path(name).read_text())
        except OSError:
            continue
    return loot
