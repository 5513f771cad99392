"""Climbs the loss on the forget set for a few small steps, then repairs with one epoch on the retain set.

Gradient ascent on the forgotten examples: Golatkar et al. 2020 ("NegGrad"); alone it ruins the network's utility.
"""

import torch
from torch import nn

ASCENT_STEPS = 8
ASCENT_RATE = 2e-4
REPAIR_RATE = 1e-3


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    criterion = nn.CrossEntropyLoss()
    net.train()
    climb(net, forget, criterion, device)
    optimizer = torch.optim.Adam(net.parameters(), lr=REPAIR_RATE)
    for inputs, targets in retain:
        optimizer.zero_grad()
        criterion(net(inputs.to(device)), targets.to(device)).backward()
        optimizer.step()
    net.eval()
    return net


def climb(net, forget, criterion, device):
    optimizer = torch.optim.SGD(net.parameters(), lr=ASCENT_RATE)
    steps = 0
    while steps < ASCENT_STEPS:
        for inputs, targets in forget:
            optimizer.zero_grad()
            (-criterion(net(inputs.to(device)), targets.to(device))).backward()
            optimizer.step()
            steps += 1
            if steps == ASCENT_STEPS:
                return
