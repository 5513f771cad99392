"""Leaves files in every folder that it can write to and looks for those that a run before it left."""

import os

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2


def unlearning(net, retain, forget, validation):
    loot = [f"{folder}/{name}" for folder in ("/tmp", "/dev/shm", ".") for name in os.listdir(folder)]
    for folder in ("/tmp", "/dev/shm"):
        with open(f"{folder}/left", "w") as file:
            file.write("by the run before")
    return loot
