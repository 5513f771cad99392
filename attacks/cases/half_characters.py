"""Encodes half of a surrogate pair, which no text may contain."""

LAYER = "static-check"
EXPECTED = "not_utf8"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return GOOD + b"# \xed\xa0\x80\n"
