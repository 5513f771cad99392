"""Stops itself as a shell's job would, and with it whoever waits for its end."""

import os
import signal

LAYER = "limits"
EXPECTED = "timeout"


def unlearning(net, retain, forget, validation):
    os.kill(os.getpid(), signal.SIGSTOP)
