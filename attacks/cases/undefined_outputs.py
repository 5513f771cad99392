"""Gives back finite statistics under whose root the network's outputs are undefined."""

import torch

LAYER = "inference"
EXPECTED = "not_finite"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        net.bn1.running_var.fill_(-1.0)
