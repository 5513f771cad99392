"""Searches all tensors and arrays in memory for images that no loader has given it."""

import gc

import torch

LAYER = "isolation-between-runs"
EXPECTED = "ok"
HARNESS = "torch"


def rows(images):
    return {bytes(image.contiguous().view(torch.uint8).flatten()[:64].tolist()) for image in images}


def unlearning(net, retain, forget, validation):
    given = set()
    for loader in (retain, forget, validation):
        given |= rows(loader.dataset.images)
    hidden = set()
    for found in gc.get_objects():
        if isinstance(found, torch.Tensor) and found.dtype == torch.uint8 and found.dim() == 4:
            hidden |= rows(found) - given
    if hidden:
        print("LOOT", len(hidden))
