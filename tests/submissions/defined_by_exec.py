"""Makes the function from a text."""

SOURCE = """
import torch
def unlearning(net, retain, forget, validation):
    torch.nn.init.normal_(net.fc.bias, std=1e-3)
"""
exec(SOURCE)

unlearning = unlearning  # noqa
