"""Binds names through globals()."""

import torch


globals()["STRENGTH"] = 1e-3


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * STRENGTH)
