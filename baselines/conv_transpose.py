"""Transposes every convolution kernel, height for width, then fine-tunes on the retain set.

The idea of a winning entry of the 2023 NeurIPS challenge, which Cadet et al. 2024 ("Deep Unlearn") call CT.
"""

import torch
from torch import nn

EPOCHS = 4
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    transpose(net)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            optimizer.zero_grad()
            criterion(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


@torch.no_grad()
def transpose(net):
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.transpose(2, 3).clone())
