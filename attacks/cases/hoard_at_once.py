"""Asks for more memory than the machine has, in one piece."""

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    return [len(bytearray(1 << 45))]
