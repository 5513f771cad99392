"""Gives back a compressed sparse tensor, made without checks, that points outside of itself."""

import torch

LAYER = "result-check"
EXPECTED = "invalid_result"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    rows = torch.tensor([0, 1 << 40, 1, 1, 1])
    columns, values = torch.tensor([1 << 40]), torch.ones(1)
    shape = state["fc.weight"].shape
    state["fc.weight"] = torch.sparse_compressed_tensor(
        rows, columns, values, size=shape, layout=torch.sparse_csr, check_invariants=False
    )
    net.state_dict = lambda: state
