"""Gives back a wider head, in which more could be hidden."""

import torch

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.weight"] = torch.ones(4, 4096)
    net.state_dict = lambda: state
