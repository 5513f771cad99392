"""SalUn: random labels on the forget set, but only the weights move on which the original network's loss on that
set depends most.

Fan et al. 2024, "SalUn: empowering machine unlearning via gradient-based weight saliency": one mask over all
weights together, computed once, before anything moves. Random labels and the retain set are trained on in the
two-objective form of "Improving unlearning with model updates probably aligned with gradients".
"""

import torch
from torch.nn import functional as F

EPOCHS = 10
LEARNING_RATE = 1e-3
BETA = 0.95  # weight of the retain set; 1 - BETA is the forget set's
QUANTILE = 0.5  # share of all weights that stays where it is


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    weights = list(net.parameters())
    masks = saliency(net, weights, forget, device)
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
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
            for weight, mask in zip(weights, masks):
                weight.grad *= mask
            optimizer.step()
    net.eval()
    return net


def saliency(net, weights, forget, device):
    """For each tensor 1 where the gradient of the loss on the whole forget set is at least as large as the quantile
    of all weights, else 0.
    """
    net.eval()
    sums = [torch.zeros_like(weight) for weight in weights]
    for inputs, targets in forget:
        loss = F.cross_entropy(net(inputs.to(device)), targets.to(device), reduction="sum")
        for total, gradient in zip(sums, torch.autograd.grad(loss, weights)):
            total += gradient
    sizes = torch.cat([total.abs().flatten() for total in sums])
    bound = sizes.kthvalue(int(QUANTILE * (len(sizes) - 1)) + 1).values
    return [(total.abs() >= bound).to(total.dtype) for total in sums]


def wrong_labels(targets, classes):
    return (targets + torch.randint_like(targets, 1, classes)) % classes


def endless(loader):
    while True:
        yield from loader
