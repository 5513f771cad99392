"""Locks files that all runs and the host's programs share, and tells by who has to wait that another run is there."""

import fcntl
import os
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True

FILES = ("/sandbox/config.json", "/dev/null", os.__file__)


def unlearning(net, retain, forget, validation):
    descriptors = [os.open(name, os.O_RDONLY) for name in FILES]
    loot = []
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        for descriptor in descriptors:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                loot.append(descriptor)
        time.sleep(0.02)
    return loot
