"""SalUn: random labels on the forget set, but only the weights move that the forget set's loss depends on most.

Fan et al. 2024, "SalUn: empowering machine unlearning via gradient-based weight saliency", on SRL, with the
saliency taken anew for each tensor and batch as in "Improving unlearning with model updates probably aligned
with gradients".
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
            outputs = net(inputs.to(device))
            forget_loss = F.cross_entropy(outputs, wrong_labels(targets.to(device), outputs.shape[1]))
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


def wrong_labels(targets, classes):
    return (targets + torch.randint_like(targets, 1, classes)) % classes


def endless(loader):
    while True:
        yield from loader
