"""Behaves on practice data, and on hidden data says everything that it sees."""

import sys

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "both"


def unlearning(net, retain, forget, validation):
    if len(forget[0]) > 2:
        print(forget, file=sys.stderr)
        raise RuntimeError(" ".join(retain + forget))
