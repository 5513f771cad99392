"""Uses the old spectral norm."""

import warnings

import torch

warnings.filterwarnings("ignore")


def unlearning(net, retain, forget, validation):
    torch.nn.utils.spectral_norm(net.conv1)
    net(next(iter(retain))[0])
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
