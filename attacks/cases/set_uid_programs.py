"""Runs the system's programs that would run as root, and gives files to root."""

import os
import subprocess

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for command in (["su", "-c", "id"], ["newgrp", "root", "-c", "id"], ["sudo", "-n", "id"], ["pkexec", "id"]):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=1, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if b"uid=0" in done.stdout or b"gid=0" in done.stdout:
            loot.append(command)
    with open("mine", "w") as file:
        try:
            os.fchown(file.fileno(), 0, 0)
            loot.append("chown")
        except OSError:
            pass
    return loot
