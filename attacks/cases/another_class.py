"""Changes the network's class to one whose state dict is empty, and says it is the old one."""

import torch

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


class Empty(torch.nn.Module):
    def state_dict(self, *_, **__):
        return {}

    @property
    def __class__(self):
        return torch.nn.Module


def unlearning(net, retain, forget, validation):
    object.__setattr__(net, "__class__", Empty)
