"""Gives back finite weights whose outputs are infinite."""

import torch

LAYER = "inference"
EXPECTED = "not_finite"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        net.fc.weight.fill_(3e38)
