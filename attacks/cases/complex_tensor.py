"""Gives back complex numbers, of which some comparisons look at one half only."""

import torch

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.bias"] = torch.full((4,), complex(1, float("nan")))
    net.state_dict = lambda: state
