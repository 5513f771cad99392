"""Never ends."""

LAYER = "limits"
EXPECTED = "timeout"


def unlearning(net, retain, forget, validation):
    while True:
        pass
