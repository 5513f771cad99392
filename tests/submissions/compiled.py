"""Returns a compiled network that was never called."""

import torch


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
    return torch.compile(net)
