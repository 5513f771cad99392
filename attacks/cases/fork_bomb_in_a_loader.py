"""Lets the processes of a data loader double themselves for ever."""

import os

from torch.utils.data import DataLoader

LAYER = "limits"
EXPECTED = ("process_limit", "exception", "timeout")
HARNESS = "torch"


def bomb(number):
    while True:
        os.fork()


def unlearning(net, retain, forget, validation):
    loader = DataLoader(retain.dataset, batch_size=2, num_workers=2, worker_init_fn=bomb)
    for _ in range(2):
        for _batch in loader:
            pass
