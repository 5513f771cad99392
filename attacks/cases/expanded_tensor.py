"""Gives back one number that claims to be a tebibyte of them."""

import torch

LAYER = "result-check"
EXPECTED = "out_of_memory"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state["fc.weight"] = torch.zeros(1).expand(1 << 38)
    net.state_dict = lambda: state
