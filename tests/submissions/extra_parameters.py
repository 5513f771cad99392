"""Asks for more than four parameters: by name, with defaults, by keyword only."""

import torch


def unlearning(net, retain, forget, validation, device, class_weights, epochs=1, *, seed, param_names=()):
    assert device == next(net.parameters()).device
    assert class_weights.shape == (4,) and class_weights.dtype == torch.float32
    assert epochs == 1
    assert 0 <= seed < 2**63
    assert list(param_names) == [name for name, _ in net.named_parameters()]
    with torch.no_grad():
        net.fc.weight.add_(1e-3 * torch.randn_like(net.fc.weight))
    return net
