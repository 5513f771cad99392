"""Moves whole batches, indexes and unpacks them, and zips loaders."""

import itertools

import torch
import torch.nn.functional as F


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for kept, gone in zip(retain, itertools.cycle(forget)):
        kept = kept.to(device, non_blocking=True)
        x_r, y_r = kept
        x_f, y_f = gone[0].to(device), gone[-1].to(device)
        assert kept["image"] is x_r and kept[1] is y_r
        (x_pair, y_pair) = kept[:2]
        assert x_pair is x_r and y_pair is y_r
        loss = F.cross_entropy(net(x_r), y_r) - 0.1 * F.cross_entropy(net(x_f), y_f)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    images, *rest = next(iter(validation))
    assert images.shape[1:] == (3, 32, 32) and len(rest) == 1
    image, label = validation.dataset[0]
    assert image.shape == (3, 32, 32) and isinstance(label, int)
    return net
