"""Takes far more memory than the limit, a little at a time."""

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))
