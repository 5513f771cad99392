"""Gives back a little more than the limit."""

LAYER = "limits"
EXPECTED = "output_limit"


def unlearning(net, retain, forget, validation):
    return bytes((1 << 20) + 1)
