"""Defines the function in a branch."""

import torch

if torch.cuda.is_available():

    def unlearning(net, retain, forget, validation):
        raise RuntimeError
else:

    def unlearning(net, retain, forget, validation):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p) * 1e-3)
