"""Blocks every signal, sets a handler for each, and sleeps."""

import signal
import time

LAYER = "limits"
EXPECTED = "timeout"


def unlearning(net, retain, forget, validation):
    for number in range(1, 65):
        try:
            signal.signal(number, lambda *_: None)
        except (OSError, ValueError):
            continue
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        time.sleep(1)
