"""Is an object with __call__ instead of a function."""

import torch


class Method:
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, net, retain, forget, validation):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p) * self.strength)


unlearning = Method(1e-3)
