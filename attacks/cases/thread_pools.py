"""Asks torch for more threads than it may have."""

import torch

LAYER = "limits"
EXPECTED = ("ok", "process_limit", "exception", "killed")
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    torch.set_num_threads(4096)
    torch.ones(1 << 20).sum()
    return net
