"""Smuggles an installer's options in as the name of a package."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b'# /// script\n# dependencies = ["' + b"--index-url=http://127.0.0.1/" + b'"]\n# ///\n' + GOOD
