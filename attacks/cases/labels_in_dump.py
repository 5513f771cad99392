"""Writes hidden persons into the names of threads, processes and warnings."""

import threading
import warnings

import torch

LAYER = "leak-policy"
EXPECTED = "exception"
HARNESS = "torch"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    for batch in forget:
        for person in batch["person_id"]:
            warnings.warn(str(int(person)), stacklevel=1)
            threading.current_thread().name = str(int(person))
    torch.ones(2) @ torch.ones(3)
