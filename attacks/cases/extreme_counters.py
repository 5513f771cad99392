"""Gives back counters at the ends of their range."""

import torch

LAYER = "inference"
EXPECTED = "ok"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            if name.endswith("num_batches_tracked"):
                buffer.fill_(-(2**63))
