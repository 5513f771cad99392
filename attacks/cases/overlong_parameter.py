"""Names a parameter so long that an answer which repeats it would be as long as the file."""

LAYER = "static-check"
EXPECTED = "wrong_parameters"


def upload():
    return b"def unlearning(net, retain, " + b"x" * 100_000 + b"): pass\n"
