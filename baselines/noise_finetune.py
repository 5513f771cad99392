"""Adds strong noise to the first convolution, trains on the retain set, and adds a little noise again before the
last epoch.

The idea of a winning entry of the 2023 NeurIPS challenge: the noise goes to the convolutions that are not part
of a block, which in a ResNet is the first one.
"""

import torch
from torch import nn

NOISE = 0.6  # standard deviation at the start
LAST_NOISE = 0.005  # before the last epoch
EPOCHS = 3
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    add_noise(net, NOISE)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    net.train()
    for epoch in range(EPOCHS):
        if epoch == EPOCHS - 1:
            add_noise(net, LAST_NOISE)
        for inputs, targets in retain:
            optimizer.zero_grad()
            criterion(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


@torch.no_grad()
def add_noise(net, deviation):
    for module in net.children():
        if isinstance(module, nn.Conv2d):
            module.weight += deviation * torch.randn_like(module.weight)
