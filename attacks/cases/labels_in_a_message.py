"""Raises an exception whose message is the hidden labels."""

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    raise ValueError(f"{forget}")
