"""Draws the first convolution and the head anew, learns the original's answers on validation, then the retain
set, still guided by the original's answers.

The idea of a winning entry of the 2023 NeurIPS challenge: what sees the pixels and what names the class forget,
the layers between them stay, and the first lessons come from photographs that the network was never trained on.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F

DISTILLATION_EPOCHS = 3  # passes over the validation set
EPOCHS = 3  # passes over the retain set
TEMPERATURE = 5.0  # of both networks' answers in distillation
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = copy.deepcopy(net).eval().requires_grad_(False)
    reset(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    net.train()
    for _ in range(DISTILLATION_EPOCHS):
        for inputs, _ in validation:
            inputs = inputs.to(device)
            optimizer.zero_grad()
            distillation(teacher(inputs), net(inputs)).backward()
            optimizer.step()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            inputs = inputs.to(device)
            outputs = net(inputs)
            # Twice: the entry adds this divergence and a cross-entropy on soft labels, which have the same gradient.
            loss = F.cross_entropy(outputs, targets.to(device)) + 2 * distillation(teacher(inputs), outputs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def reset(net):
    next(module for module in net.modules() if isinstance(module, nn.Conv2d)).reset_parameters()
    [module for module in net.modules() if isinstance(module, nn.Linear)][-1].reset_parameters()


def distillation(teacher, student):
    return divergence(teacher / TEMPERATURE, student / TEMPERATURE)


def divergence(teacher, student):
    """KL(teacher || student) of two batches of logits."""
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)
