"""Fills every folder that it can write to."""

LAYER = "limits"
EXPECTED = "exception"


def unlearning(net, retain, forget, validation):
    for folder in ("/dev/shm", "/tmp"):
        for number in range(1024):
            with open(f"{folder}/{number}", "wb") as file:
                file.write(bytes(1 << 20))
