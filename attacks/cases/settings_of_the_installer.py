"""Brings settings for the installer along: another index, build variables."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    block = b'# /// script\n# [tool.uv]\n# index-url = "http://127.0.0.1/"\n# no-build = false\n# ///\n'
    return block + GOOD
