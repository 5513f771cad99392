"""Gives back doubles that become infinite when they are narrowed."""

import torch

LAYER = "inference"
EXPECTED = "not_finite"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    net.double()
    with torch.no_grad():
        net.fc.bias.fill_(1e300)
