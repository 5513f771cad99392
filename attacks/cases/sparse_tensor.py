"""Gives back a sparse tensor, whose indices may lie anywhere."""

import torch

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.weight"] = torch.sparse_coo_tensor([[0], [0]], [1.0], state["fc.weight"].shape)
    net.state_dict = lambda: state
