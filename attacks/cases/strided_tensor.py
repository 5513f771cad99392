"""Gives back tensors that are transposed, reversed and strided views of others."""

import torch

LAYER = "result-check"
EXPECTED = "ok"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    shape = state["fc.weight"].shape
    state["fc.weight"] = torch.zeros(64 * 64).as_strided(shape, (1, 3), 5)
    state["conv1.weight"] = state["conv1.weight"].flip(0).transpose(2, 3)
    net.state_dict = lambda: state
