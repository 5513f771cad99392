"""Gives back weights that are infinite, some of each sign."""

import torch

LAYER = "inference"
EXPECTED = "not_finite"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        net.conv1.weight.fill_(float("inf"))
        net.fc.weight.fill_(float("-inf"))
