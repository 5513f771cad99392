"""Wants retain and forget set together as well."""

import torch


def unlearning(net, train_loader, retain_loader, forget_loader):
    assert len(train_loader.dataset) == len(retain_loader.dataset) + len(forget_loader.dataset)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
