"""SRFL: on the forget set learns the original network's answers rolled to neighbouring classes, on retain as
they are.

"Simple rolling in forget logits", an entry of the 2023 NeurIPS challenge. VARIANT "text" is what its author
describes, "code" what the published code does: steps of exactly three classes up or down, other weights, labels
of the retain set, and away from the original's own answers on the forget set.
"""

import copy

import torch
from torch.nn import functional as F

VARIANT = "text"
TEXT_STEPS = (-1, 0, 1)  # classes that the logits are rolled by
CODE_STEPS = (-3, 3)
EPOCHS = 1
LEARNING_RATE = 1e-3
MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4
LAYERS = ("layer1.", "layer2.")  # the first two of the backbone; the others are frozen


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    teacher = copy.deepcopy(net).eval().requires_grad_(False)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(LAYERS))
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * len(retain))
    gone = endless(forget)
    net.train()
    for _ in range(EPOCHS):
        for inputs, targets in retain:
            inputs, targets = inputs.to(device), targets.to(device)
            forget_inputs = next(gone)[0].to(device)
            loss = text_loss if VARIANT == "text" else code_loss
            optimizer.zero_grad()
            loss(net, teacher, inputs, targets, forget_inputs).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    return net


def text_loss(net, teacher, inputs, targets, forget_inputs):
    rolled = roll(teacher(forget_inputs), TEXT_STEPS)
    outputs = net(forget_inputs)
    similarity = F.cosine_similarity(rolled, outputs).mean()
    return divergence(rolled, outputs) - similarity + divergence(teacher(inputs), net(inputs))


def code_loss(net, teacher, inputs, targets, forget_inputs):
    original = teacher(forget_inputs)
    outputs, kept = net(forget_inputs), net(inputs)
    similarity = F.cosine_similarity(original, outputs).mean()
    cross_entropy = F.cross_entropy(kept, targets)
    distillation = 0.8 * divergence(roll(original, CODE_STEPS), outputs) + 0.1 * divergence(teacher(inputs), kept)
    return distillation + 1.1 * cross_entropy + similarity


def roll(logits, steps):
    """The logits moved along the classes by one of the steps, drawn for the whole batch."""
    return logits.roll(steps[int(torch.randint(len(steps), ()))], dims=1)


def divergence(teacher, student):
    """KL(teacher || student) of two batches of logits."""
    return F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="batchmean", log_target=True)


def endless(loader):
    while True:
        yield from loader
