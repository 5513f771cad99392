"""Calls the held-out set test_loader."""

import torch


def unlearning(net, retain_loader, forget_loader, test_loader):
    assert len(test_loader.dataset) == 8
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
