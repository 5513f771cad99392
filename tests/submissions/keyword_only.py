"""Names every argument."""

import torch


def unlearning(*, net, forget, retain):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
