"""Nests an expression so deeply that parsing it takes minutes and all memory."""

LAYER = "static-check"
EXPECTED = "too_complex"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b"x = " + b"-" * 120_000 + b"1\n" + GOOD
