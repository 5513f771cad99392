"""Draws the convolution weights with the smallest gradients anew, then trains those and hardly the others.

The idea of a winning entry of the 2023 NeurIPS challenge, which Cadet et al. 2024 ("Deep Unlearn") call MSG: the
gradient is that of climbing on the forget set while staying good on the retain set; the 30% of each kernel that
it moves least are drawn anew, and the others follow a tenth of their gradient in training. SGD, because Adam
would divide that tenth out again.
"""

import torch
from torch import nn
from torch.nn import functional as F

SHARE = 0.3
OTHERS = 0.1  # share of its gradient that a kept convolution weight follows
EPOCHS = 3
LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    net.train()
    masks = reinitialise(net, gradients(net, retain, forget, device))
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            optimizer.zero_grad()
            F.cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
            for weight, mask in masks:
                weight.grad *= mask
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def kernels(net):
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


def gradients(net, retain, forget, device):
    """Summed over a pass of the forget set: the gradient of retain loss minus forget loss by each kernel."""
    weights = [module.weight for module in kernels(net)]
    sums = [torch.zeros_like(weight) for weight in weights]
    for (gone, gone_targets), (kept, kept_targets) in zip(forget, retain):
        loss = F.cross_entropy(net(kept.to(device)), kept_targets.to(device))
        loss = loss - F.cross_entropy(net(gone.to(device)), gone_targets.to(device))
        for total, gradient in zip(sums, torch.autograd.grad(loss, weights)):
            total += gradient
    return sums


@torch.no_grad()
def reinitialise(net, found):
    """Draw the entries with the smallest gradients anew; each kernel with its mask of the gradients to come."""
    masks = []
    for module, gradient in zip(kernels(net), found):
        lowest = gradient.abs().flatten().argsort()[: int(SHARE * gradient.numel())]
        fresh = torch.empty_like(module.weight)
        nn.init.kaiming_normal_(fresh, mode="fan_out", nonlinearity="relu")
        module.weight.view(-1)[lowest] = fresh.view(-1)[lowest]
        mask = torch.full_like(gradient, OTHERS)
        mask.view(-1)[lowest] = 1.0
        masks.append((module.weight, mask))
    return masks
