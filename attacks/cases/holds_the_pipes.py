"""Leaves children that hold its pipes open, so that the host would wait for their end."""

import os
import signal
import time

LAYER = "pipes"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            time.sleep(3600)
    time.sleep(0.05)
