"""Multiplies the weights that matter least to both sets with noise, then fine-tunes on the retain set.

A variant of MSG (Cadet et al. 2024, here `reinit_small_gradient`) in the code of "Improving unlearning with model
updates probably aligned with gradients": over one epoch the smaller of the two gradients' sizes is summed, and
the lowest share of each tensor becomes its old value times a standard normal number.
"""

import torch
from torch import nn
from torch.nn import functional as F

SHARE = 0.3
EPOCHS = 3
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    net.train()
    weights = list(net.parameters())
    for weight, importance in zip(weights, importances(net, weights, retain, forget, device)):
        perturb(weight, importance)
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            optimizer.zero_grad()
            F.cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def importances(net, weights, retain, forget, device):
    """The sum of min(|retain gradient|, |forget gradient|) over a pass of the forget set, for each tensor."""
    criterion = nn.CrossEntropyLoss()
    sums = [torch.zeros_like(weight) for weight in weights]
    for gone, kept in zip(forget, retain):
        pair = [
            torch.autograd.grad(criterion(net(inputs.to(device)), targets.to(device)), weights)
            for inputs, targets in (gone, kept)
        ]
        for total, first, second in zip(sums, *pair):
            total += torch.minimum(first.abs(), second.abs())
    return sums


@torch.no_grad()
def perturb(weight, importance):
    count = int(SHARE * weight.numel())
    lowest = importance.flatten().argsort()[:count]
    weight.view(-1)[lowest] *= torch.randn(count, device=weight.device)
