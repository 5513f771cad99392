"""Imports a module of its own."""

import torch
from utils import accuracy


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
