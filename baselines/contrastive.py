"""Evens out the answers on the forget set, then evens out how similar they are to those on the retain set while
training on that.

The idea of a winning entry of the 2023 NeurIPS challenge: one pass of uniform KL on the forget set, then rounds
of a contrastive pass over the forget set, in which each of its answers is to be as similar to one answer on the
retain set as to any other, and an epoch of cross-entropy on the retain set.
"""

import torch
from torch.nn import functional as F

ROUNDS = 3
UNIFORM_RATE = 1e-2
CONTRAST_RATE = 1e-3
TEMPERATURE = 1.15
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    net.train()
    flatten(net, forget, device)
    contrast = torch.optim.SGD(net.parameters(), lr=CONTRAST_RATE, momentum=0.9)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=ROUNDS * len(retain))
    for _ in range(ROUNDS):
        for (gone, _), (kept, _) in zip(forget, retain):
            contrast.zero_grad()
            unevenness(net(gone.to(device)), net(kept.to(device))).backward()
            contrast.step()
        for inputs, targets in retain:
            optimizer.zero_grad()
            F.cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def flatten(net, forget, device):
    """One pass towards the uniform distribution on the forget set."""
    optimizer = torch.optim.Adam(net.parameters(), lr=UNIFORM_RATE)
    for inputs, _ in forget:
        log_probabilities = net(inputs.to(device)).log_softmax(1)
        optimizer.zero_grad()
        (-log_probabilities.mean()).backward()  # KL(uniform || net) up to a constant
        optimizer.step()


def unevenness(gone, kept):
    """How much the similarities of a forget answer to the retain answers differ: their log-sum-exp minus their mean,
    over all forget answers. It is least, the log of the number of retain answers, where all are equal.
    """
    similarities = gone @ kept.detach().T / TEMPERATURE  # (forget, retain)
    return -similarities.log_softmax(1).mean()
