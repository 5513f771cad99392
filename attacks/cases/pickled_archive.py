"""Sends what torch.save writes, an archive with a pickle inside."""

import io
import sys

import torch

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def forged(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
