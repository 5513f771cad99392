"""Raises an exception whose type is named by a hidden label."""

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    raise type(forget[0], (Exception,), {})
