"""Opens the same file until there are no descriptors left."""

LAYER = "limits"
EXPECTED = "exception"


def unlearning(net, retain, forget, validation):
    hoard = []
    while True:
        hoard.append(open("/dev/null"))
