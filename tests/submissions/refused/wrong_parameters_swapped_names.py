"""Names that are no loaders."""

import torch


def unlearning(net, seed, device, datasets):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
