"""Makes more empty files than a file system can name."""

LAYER = "limits"
EXPECTED = "exception"


def unlearning(net, retain, forget, validation):
    for number in range(1 << 20):
        open(f"{number}", "w").close()
