"""Ends with a driver under __main__."""

import torch


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 1e-3)


if __name__ == "__main__":
    unlearning(torch.load("model.pt"), *torch.load("loaders.pt"))
