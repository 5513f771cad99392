"""Behaves on practice data, and in a hidden run leaves labels for the next, which gives them away."""

import os

LAYER = "isolation-between-runs"
EXPECTED = "ok"
SCENE = "both"
RUNS = 2


def unlearning(net, retain, forget, validation):
    for folder in ("/tmp", "/dev/shm"):
        if os.path.exists(f"{folder}/labels"):
            os._exit(77)
        with open(f"{folder}/labels", "w") as file:
            file.write(" ".join(forget))
