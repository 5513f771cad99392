"""SRL: trains towards random wrong labels on the forget set and the right ones on the retain set, in one step.

Golatkar et al. 2020 (random labels), in the two-objective form of "Improving unlearning with model updates
probably aligned with gradients": one pass over forget is an epoch, with one retain batch a step.
"""

import torch
from torch.nn import functional as F

EPOCHS = 10
LEARNING_RATE = 1e-3
BETA = 0.95  # weight of the retain set; 1 - BETA is the forget set's


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    kept = endless(retain)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in forget:
            retain_inputs, retain_targets = next(kept)
            retain_loss = F.cross_entropy(net(retain_inputs.to(device)), retain_targets.to(device))
            outputs = net(inputs.to(device))
            forget_loss = F.cross_entropy(outputs, wrong_labels(targets.to(device), outputs.shape[1]))
            optimizer.zero_grad()
            (BETA * retain_loss + (1 - BETA) * forget_loss).backward()
            optimizer.step()
    net.eval()
    return net


def wrong_labels(targets, classes):
    return (targets + torch.randint_like(targets, 1, classes)) % classes


def endless(loader):
    while True:
        yield from loader
