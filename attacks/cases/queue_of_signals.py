"""Fills the queue of signals and timers, of which all processes of a user have one together."""

import ctypes
import os
import signal

LAYER = "limits"
EXPECTED = "ok"

FAR_MORE_THAN_ANYBODY_NEEDS = 5_000


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX])
    queued = 0
    while queued < FAR_MORE_THAN_ANYBODY_NEEDS and libc.sigqueue(os.getpid(), int(signal.SIGRTMAX), None) == 0:
        queued += 1
    return queued if queued == FAR_MORE_THAN_ANYBODY_NEEDS else None
