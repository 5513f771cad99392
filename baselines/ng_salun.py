"""NG+ with SalUn as an add-on: climbs on the forget set, but only entries with a large forget gradient get a
gradient.

The saliency of Fan et al. 2024 ("SalUn") as the code of "Improving unlearning with model updates probably aligned
with gradients" adds it to other methods: a mask for each tensor and batch, where SalUn itself has one for all
weights and steps (`salun`). Entries that were salient before still move by Adam's momentum.
"""

import torch
from torch.nn import functional as F

EPOCHS = 10
LEARNING_RATE = 1e-3
BETA = 0.95  # weight of the retain set; 1 - BETA is the forget set's
QUANTILE = 0.5  # share of each tensor that stays where it is


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    weights = list(net.parameters())
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    kept = endless(retain)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in forget:
            retain_inputs, retain_targets = next(kept)
            retain_loss = F.cross_entropy(net(retain_inputs.to(device)), retain_targets.to(device))
            forget_loss = -F.cross_entropy(net(inputs.to(device)), targets.to(device))
            gradients = zip(torch.autograd.grad(retain_loss, weights), torch.autograd.grad(forget_loss, weights))
            for weight, (retain_gradient, forget_gradient) in zip(weights, gradients):
                update = BETA * retain_gradient + (1 - BETA) * forget_gradient
                weight.grad = update * salient(forget_gradient)
            optimizer.step()
    net.eval()
    return net


def salient(gradient):
    """1 where the gradient is at least as large as the quantile of its tensor, else 0."""
    size = gradient.abs().flatten()
    bound = size.kthvalue(int(QUANTILE * (len(size) - 1)) + 1).values
    return (gradient.abs() >= bound).to(gradient.dtype)


def endless(loader):
    while True:
        yield from loader
