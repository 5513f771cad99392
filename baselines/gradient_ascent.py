"""Climbs the loss on the forget set, and does nothing about what that ruins.

The negative gradient of Golatkar et al. 2020, "Eternal sunshine of the spotless net", on the forget set alone, as
Kurmanji et al. 2023 compare with it (NegGrad).
"""

import torch
from torch.nn import functional as F

STEPS = 20
LEARNING_RATE = 5e-3


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    net.train()
    steps = 0
    while steps < STEPS:
        for inputs, targets in forget:
            optimizer.zero_grad()
            (-F.cross_entropy(net(inputs.to(device)), targets.to(device))).backward()
            optimizer.step()
            steps += 1
            if steps == STEPS:
                break
    net.eval()
    return net
