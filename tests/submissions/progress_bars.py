"""Shows bars as a notebook does."""

import torch
from tqdm.notebook import tqdm, trange


def unlearning(net, retain, forget, validation):
    for _ in trange(2):
        for inputs, _ in tqdm(forget):
            net(inputs)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)
