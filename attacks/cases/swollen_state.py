"""Gives back more tensors than the limit holds, all of them views of one number.

Where only rlimits hold the memory, native code that gets none may abort the process: `killed`.
"""

import torch

LAYER = "limits"
EXPECTED = ("output_limit", "out_of_memory", "exception", "killed")
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state |= {f"more.{number}": torch.zeros(1).expand(1 << 20) for number in range(64)}
    net.state_dict = lambda: state
