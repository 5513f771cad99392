"""Gives back a tensor that has a shape and no data."""

import torch

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.weight"] = torch.empty(state["fc.weight"].shape, device="meta")
    net.state_dict = lambda: state
