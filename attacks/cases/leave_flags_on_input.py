"""Sets flags and a signal number on its standard input, in the hope that all runs share one open file."""

import fcntl
import os

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2

MARK, SIGNAL = os.O_APPEND | os.O_NONBLOCK, 42


def unlearning(net, retain, forget, validation):
    loot = []
    for descriptor in (0, 1, 2):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & MARK == MARK or fcntl.fcntl(descriptor, fcntl.F_GETSIG) == SIGNAL:
            loot.append(descriptor)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, MARK)
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, SIGNAL)
    return loot
