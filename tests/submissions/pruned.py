"""Prunes one layer by itself and the others globally, and normalises the head's weight; removes none of it."""

import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm


def unlearning(net, retain, forget, validation):
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    prune.l1_unstructured(convolutions[0], "weight", amount=0.5)
    prune.global_unstructured(
        [(module, "weight") for module in convolutions[1:]], pruning_method=prune.L1Unstructured, amount=0.3
    )
    weight_norm(net.fc)
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    for inputs, targets in retain:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    return net
