"""Depends on a folder of the host, which an installer would build and so execute."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b'# /// script\n# dependencies = ["' + b"x @ file:///etc" + b'"]\n# ///\n' + GOOD
