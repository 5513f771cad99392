"""Sends, beside the weights, the outputs and accuracies that it would like to have had."""

import sys

import torch
from safetensors.torch import save

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def forged(state):
    outputs = {"logits.test": torch.ones(8, 4), "accuracy.test": torch.ones(1), "accuracy.retain": torch.ones(1)}
    return save(dict(state) | outputs)


def unlearning(net, retain, forget, validation):
    sys.modules["lethe.evaluator.guest.harness"].save = forged
