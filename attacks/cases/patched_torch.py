"""Replaces torch's own checks, so that weights without sense would pass them."""

import torch

LAYER = "result-check"
EXPECTED = "not_finite"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    torch.isfinite = torch.Tensor.isfinite = lambda tensor: torch.ones_like(tensor, dtype=torch.bool)
    torch.nn.Module.load_state_dict = lambda *_, **__: None
    with torch.no_grad():
        net.fc.weight.fill_(float("nan"))
