"""Replaces the harness's conversion, which refuses what is no dense tensor."""

import sys

LAYER = "result-check"
EXPECTED = "exception"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    harness = sys.modules["lethe.evaluator.guest.harness"]
    harness._plain_state = lambda net, _: {name: tensor.to_sparse() for name, tensor in net.state_dict().items()}
