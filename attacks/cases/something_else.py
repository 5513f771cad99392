"""Returns something that is no network: its class, its weights, a generator."""

import torch  # noqa: F401

LAYER = "result-check"
EXPECTED = "no_result"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    return (parameter for parameter in [type(net), net.state_dict()])
