"""ALIF: an auxiliary layer learns to forget, then the network learns to do without it.

"Auxiliary layer for inducing forget" is a name that its author left without a description; this is one reading
of it. A linear layer, first the identity, is put before the head. While the network is frozen, that layer alone
learns to answer evenly on the forget set and as before on the retain set. Network and layer together then teach
the network.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

LAYER_EPOCHS = 20  # passes over the forget set
LAYER_RATE = 1e-2
EPOCHS = 2  # passes over the retain set
LEARNING_RATE = 2e-3


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = with_layer(copy.deepcopy(net).eval().requires_grad_(False))
    induce(teacher, retain, forget, device)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    gone = endless(forget)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            inputs, forget_inputs = inputs.to(device), next(gone)[0].to(device)
            outputs = net(inputs)
            loss = F.cross_entropy(outputs, targets.to(device)) + divergence(teacher(inputs), outputs)
            optimizer.zero_grad()
            (loss + divergence(teacher(forget_inputs), net(forget_inputs))).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def with_layer(net):
    """The network with a trainable identity between features and head."""
    layer = nn.Linear(net.fc.in_features, net.fc.in_features).to(net.fc.weight.device)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    net.fc = nn.Sequential(layer, net.fc)
    return net


def induce(teacher, retain, forget, device):
    """Train the auxiliary layer: even answers on the forget set, the right ones on the retain set."""
    optimizer = torch.optim.Adam(teacher.fc[0].parameters(), lr=LAYER_RATE)
    kept = endless(retain)
    for _ in range(LAYER_EPOCHS):
        for inputs, _ in forget:
            retain_inputs, retain_targets = next(kept)
            outputs = teacher(inputs.to(device))
            loss = divergence(torch.zeros_like(outputs), outputs)
            loss = loss + F.cross_entropy(teacher(retain_inputs.to(device)), retain_targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    teacher.requires_grad_(False)


def divergence(teacher, student):
    """KL(teacher || student) of two batches of logits."""
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)


def endless(loader):
    while True:
        yield from loader
