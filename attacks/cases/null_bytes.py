"""Ends its text for programs in C by a null byte, behind which there is more."""

LAYER = "static-check"
EXPECTED = "syntax_error"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return GOOD + b"\0import os\n"
