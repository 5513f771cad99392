"""Opens brackets, strings and blocks without end, to crash the parser."""

LAYER = "static-check"
EXPECTED = "syntax_error"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b"x = " + b"([{" * 40_000 + b"\n" + GOOD
