"""Prunes nearly all weights, the smallest ones, draws them anew, then trains to be right and as sure as before.

The idea of a winning entry of the 2023 NeurIPS challenge: L1 pruning of 99% of all convolutions and linear layers
together, new weights where they were pruned, and a few epochs of cross-entropy plus the squared difference of the
answers' entropies from the original network's. In the end the weights are rounded to half precision.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

SHARE = 0.99
ENTROPY_WEIGHT = 1.0
EPOCHS = 6
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = copy.deepcopy(net).eval().requires_grad_(False)
    prune(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            inputs = inputs.to(device)
            outputs = net(inputs)
            loss = F.cross_entropy(outputs, targets.to(device))
            loss = loss + ENTROPY_WEIGHT * F.mse_loss(entropy(outputs), entropy(teacher(inputs)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net.half().float()


@torch.no_grad()
def prune(net):
    """Draw the smallest entries of all convolutions and linear layers together anew; pruned biases become 0."""
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    sizes = torch.cat([parameter.abs().flatten() for parameter in parameters])
    bound = sizes.kthvalue(max(1, int(SHARE * len(sizes)))).values
    for parameter in parameters:
        fresh = torch.zeros_like(parameter)
        if parameter.dim() > 1:
            reach = parameter[0].numel() ** -0.5  # one over the root of the number of inputs
            fresh.uniform_(-reach, reach)
        parameter.copy_(torch.where(parameter.abs() <= bound, fresh, parameter))


def entropy(logits):
    log_probabilities = logits.log_softmax(1)
    return -(log_probabilities.exp() * log_probabilities).sum(1)
