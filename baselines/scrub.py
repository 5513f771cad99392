"""SCRUB: moves away from the original model on the forget set and stays with it on the retain set, in one step.

Kurmanji et al. 2023, "Towards unbounded machine unlearning", in the two-objective form of "Improving unlearning
with model updates probably aligned with gradients": one pass over forget is an epoch, with one retain batch a
step.
"""

import copy

import torch
from torch.nn import functional as F

EPOCHS = 10
LEARNING_RATE = 1e-3
BETA = 0.95  # weight of the retain set; 1 - BETA is the forget set's


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = copy.deepcopy(net).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    kept = endless(retain)
    net.train()
    for _ in range(EPOCHS):
        for inputs, _ in forget:
            retain_inputs, retain_targets = next(kept)
            retain_inputs, inputs = retain_inputs.to(device), inputs.to(device)
            outputs = net(retain_inputs)
            retain_loss = F.cross_entropy(outputs, retain_targets.to(device)) + divergence(
                teacher(retain_inputs), outputs
            )
            forget_loss = -divergence(teacher(inputs), net(inputs))
            optimizer.zero_grad()
            (BETA * retain_loss + (1 - BETA) * forget_loss).backward()
            optimizer.step()
    net.eval()
    return net


def divergence(teacher, student):
    """KL(teacher || student) of two batches of logits."""
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)


def endless(loader):
    while True:
        yield from loader
