"""Wants the device under the name of a constant."""

import torch


def unlearning(net, retain_loader, forget_loader, val_loader, DEVICE):
    net.to(DEVICE)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
