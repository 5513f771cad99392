"""Lets the processes of a data loader take memory until the kernel kills one."""

import torch
from torch.utils.data import DataLoader

LAYER = "limits"
EXPECTED = ("out_of_memory", "exception")
HARNESS = "torch"


def bomb(number):
    hoard = []
    while True:
        hoard.append(torch.ones(1 << 20))


def unlearning(net, retain, forget, validation):
    loader = DataLoader(retain.dataset, batch_size=2, num_workers=2, worker_init_fn=bomb)
    for _ in range(2):
        for _batch in loader:
            pass
