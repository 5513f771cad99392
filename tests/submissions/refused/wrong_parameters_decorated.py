"""Another order behind a decorator."""

import torch


def plain(function):
    return lambda *args: function(*args)


@plain
def unlearning(net, forget, retain, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
