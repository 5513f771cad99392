"""Takes the forget loader before the retain loader."""

import torch


def unlearning(net, forget_loader, retain_loader, val_loader):
    assert len(forget_loader.dataset) < len(retain_loader.dataset)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
