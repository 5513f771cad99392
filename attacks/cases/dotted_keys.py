"""Fills its metadata with dotted keys, over which a TOML reader takes quadratic time."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    keys = b"".join(b"# a" + b".a" * 40 + b"%d = 1\n" % number for number in range(1_000))
    return b"# /// script\n" + keys + b"# ///\n" + GOOD
