"""Returns an average of weights."""

import torch
from torch.optim.swa_utils import AveragedModel


def unlearning(net, retain, forget, validation):
    averaged = AveragedModel(net)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
    averaged.update_parameters(net)
    return averaged
