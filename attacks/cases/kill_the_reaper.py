"""Sends every signal to process 1 of its namespace, which keeps the run together."""

import os

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    for number in range(1, 65):
        try:
            os.kill(1, number)
        except OSError:
            continue
    os.kill(1, 0)  # raises when it is gone
