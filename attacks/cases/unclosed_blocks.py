"""Opens thousands of metadata blocks, so that a pattern would search the file once for each."""

LAYER = "static-check"
EXPECTED = "invalid_metadata"

GOOD = b"def unlearning(net, retain, forget, validation):\n    return net\n"


def upload():
    return b"# /// script\n# x\n" * 6_000 + GOOD
