"""Hides a dependency under a marker that only the worker fulfils."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b'# /// script\n# dependencies = ["' + b"evil ; sys_platform == 'linux'" + b'"]\n# ///\n' + GOOD
