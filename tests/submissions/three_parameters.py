"""Takes no validation loader."""

import torch


def unlearning(net, retain, forget):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
    return net
