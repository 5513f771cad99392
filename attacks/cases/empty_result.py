"""Sends nothing."""

import sys

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    return b""


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
