"""Parses the command line."""

import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--strength", type=float, default=1e-3)
args = parser.parse_args()


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * args.strength)
