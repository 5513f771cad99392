"""Makes a file of a tebibyte that takes no space until somebody copies it."""

LAYER = "limits"
EXPECTED = "exception"


def unlearning(net, retain, forget, validation):
    with open("sparse", "wb") as file:
        file.truncate(1 << 40)
