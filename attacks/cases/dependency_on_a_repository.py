"""Depends on a repository, whose build step would run outside of the sandbox."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b'# /// script\n# dependencies = ["' + b"x @ git+https://example.org/x.git" + b'"]\n# ///\n' + GOOD
