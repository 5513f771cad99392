"""Adds tensors in a hook of the state dict, after the network looked as it should."""

import torch

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    def add(module, state, prefix, metadata):
        state["hidden"] = torch.ones(1)

    net._register_state_dict_hook(add)
