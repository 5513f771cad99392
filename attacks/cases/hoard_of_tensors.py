"""Takes more memory than the limit in tensors."""

import torch

LAYER = "limits"
EXPECTED = "out_of_memory"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    return [torch.ones(1 << 24) for _ in range(64)]
