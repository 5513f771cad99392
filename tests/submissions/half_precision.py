"""Gives back a network in half precision, after a step under autocast."""

import torch
import torch.nn.functional as F


def unlearning(net, retain, forget, validation):
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    for inputs, targets in retain:
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
            loss = F.cross_entropy(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.empty_cache()
    return net.half()
