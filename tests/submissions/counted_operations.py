"""Leaves the buffers of a profiler in the network."""

import torch


def unlearning(net, retain, forget, validation):
    for module in net.modules():
        module.register_buffer("total_ops", torch.zeros(1, dtype=torch.float64))
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
