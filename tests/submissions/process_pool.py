"""Counts classes in worker processes."""

from concurrent.futures import ProcessPoolExecutor

import torch


def double(value):
    return 2 * value


def unlearning(net, retain, forget, validation):
    with ProcessPoolExecutor(2) as pool:
        assert list(pool.map(double, [1, 2])) == [2, 4]
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
