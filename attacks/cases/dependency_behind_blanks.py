"""Hides the address of a dependency behind more blanks than are looked at."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b'# /// script\n# dependencies = ["' + b"numpy" + b" " * 400 + b"@ file:///etc" + b'"]\n# ///\n' + GOOD
