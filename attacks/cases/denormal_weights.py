"""Gives back weights so small that processors compute with them a hundred times as slowly."""

import torch

LAYER = "inference"
EXPECTED = ("ok", "evaluation_timeout")
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1e-41)
