"""Imports everything from a module."""

from math import *

import torch


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * pi * 1e-3)
