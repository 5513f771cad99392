"""Sends a pickle that would execute code where it is loaded."""

import pickle
import sys

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    class Bomb:
        def __reduce__(self):
            return (open, ("/tmp/executed", "w"))

    return pickle.dumps({name: Bomb() for name in state})


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
