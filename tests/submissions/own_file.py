"""Finds its folder by __file__."""

import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "cache")


def unlearning(net, retain, forget, validation):
    os.makedirs(CACHE, exist_ok=True)
    torch.save(net.state_dict(), os.path.join(CACHE, "net.pt"))
    net.load_state_dict(torch.load(os.path.join(CACHE, "net.pt")))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
