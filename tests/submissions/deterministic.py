"""Has no randomness at all."""

import torch


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        net.fc.weight.mul_(0.9)
