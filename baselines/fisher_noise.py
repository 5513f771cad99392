"""Adds noise to every weight, the more the less the retain set depends on it, and trains nothing.

Golatkar et al. 2020, "Eternal sunshine of the spotless net" (Fisher forgetting): variance proportional to the
inverse square root of the diagonal of the Fisher information. Here the Fisher comes from small batches, and the
noise is bounded by each tensor's own spread.
"""

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

SCALE = 1e-2
LARGEST = 0.5  # most noise, in standard deviations of the tensor
BATCH_SIZE = 8
IMAGES = 400


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    weights = list(net.parameters())
    net.eval()
    for weight, information in zip(weights, fisher(net, weights, retain, device)):
        add_noise(weight, information)
    return net


def fisher(net, weights, retain, device):
    """The diagonal of the Fisher information of each tensor, labels drawn from the network's own answers."""
    sums = [torch.zeros_like(weight) for weight in weights]
    batches = IMAGES // BATCH_SIZE
    for _, (inputs, _) in zip(range(batches), DataLoader(retain.dataset, BATCH_SIZE, shuffle=True)):
        outputs = net(inputs.to(device))
        drawn = torch.multinomial(outputs.detach().softmax(1), 1).squeeze(1)
        gradients = torch.autograd.grad(F.cross_entropy(outputs, drawn), weights)
        for total, gradient in zip(sums, gradients):
            total += BATCH_SIZE * gradient.square() / batches
    return sums


@torch.no_grad()
def add_noise(weight, information):
    deviation = SCALE * (information + 1e-8).pow(-0.25)
    if weight.numel() > 1:
        deviation = deviation.clamp(max=LARGEST * weight.std())
    weight += deviation * torch.randn_like(weight)
