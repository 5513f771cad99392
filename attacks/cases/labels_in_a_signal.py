"""Kills itself by a signal that is chosen by a hidden label."""

import os
import signal

LAYER = "leak-policy"
EXPECTED = "killed"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGABRT]
    os.kill(os.getpid(), signals[int(forget[0][-1], 16) % len(signals)])
