"""Names a metadata key so long that an answer which repeats it would be as long as the file."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b"# /// script\n# " + b"x" * 7_000 + b" = 1\n# ///\n" + GOOD
