"""Binds a hyper-parameter by functools.partial."""

import functools

import torch


def method(net, retain, forget, validation, strength):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * strength)


unlearning = functools.partial(method, strength=1e-3)
