"""Leaves adapters in the network."""

import torch


def unlearning(net, retain, forget, validation):
    net.fc.lora_A = torch.nn.Parameter(torch.zeros(2, 2))
    return net
