"""Computes for hours in one call of the C library that no signal handler interrupts."""

LAYER = "limits"
EXPECTED = "timeout"


def unlearning(net, retain, forget, validation):
    return [len(str(7 ** (10**9)))]
