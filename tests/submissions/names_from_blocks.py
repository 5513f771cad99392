"""Binds names by with, for, walrus and except."""

import io

import torch

with io.StringIO("1e-3") as text:
    (strength := float(text.read()))
for power in range(3):
    pass
try:
    import nowhere
except ImportError as error:
    REASON = str(error)


def unlearning(net, retain, forget, validation):
    assert power == 2 and "nowhere" in REASON
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * strength)
