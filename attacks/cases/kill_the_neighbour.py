"""Kills the run beside it, by every process number that it could have."""

import os
import signal
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True


def unlearning(net, retain, forget, validation):
    time.sleep(0.1)
    for pid in [-1, *range(3, 65_536)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
    time.sleep(0.1)
