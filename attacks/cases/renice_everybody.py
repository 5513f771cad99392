"""Slows down every process of its user, and takes the processor away from one."""

import json
import os
import resource
from pathlib import Path

LAYER = "namespaces"
EXPECTED = "ok"

TARGETS = json.loads(Path("/sandbox/inputs/targets.json").read_text())


def unlearning(net, retain, forget, validation):
    victim = TARGETS["victim_pid"]
    os.setpriority(os.PRIO_USER, os.getuid(), 19)
    loot = []
    for attempt in (
        lambda: os.setpriority(os.PRIO_PROCESS, victim, 19),
        lambda: os.sched_setaffinity(victim, {0}),
        lambda: os.sched_setscheduler(victim, os.SCHED_IDLE, os.sched_param(0)),
        lambda: resource.prlimit(victim, resource.RLIMIT_CPU, (1, 1)),
    ):
        try:
            attempt()
            loot.append("reached")
        except OSError:
            continue
    return loot
