"""Draws the head anew, then trains a few random layers at a time, most of them with noise, and in the end all.

The idea of a winning entry of the 2023 NeurIPS challenge, which took nine epochs. In each epoch but the last ones
only the layers drawn for it and the batch norms are trained; from the second on noise is added to most of those
layers before the epoch. The last epochs train everything and add none.
"""

import torch
from torch import nn
from torch.nn import functional as F

FIRST_EPOCHS = 1  # random layers, no noise
NOISY_EPOCHS = 2  # random layers, with noise
LAST_EPOCHS = 2  # all layers, no noise
LAYERS = 5  # convolutions and linear layers drawn for an epoch
NOISY_LAYERS = 3  # of these, how many get noise
NOISE = 0.6  # standard deviation, in units of that of the layer's weights
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 5e-4


def unlearning(net, retain, forget, validation):
    device = next(net.parameters()).device
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    layers[-1].reset_parameters()
    net.train()
    for epoch in range(FIRST_EPOCHS + NOISY_EPOCHS + LAST_EPOCHS):
        trained = layers_of(epoch, layers)
        for layer in layers:
            layer.requires_grad_(layer in trained)
        weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for inputs, targets in retain:
            optimizer.zero_grad()
            F.cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()
    net.eval()
    return net


@torch.no_grad()
def layers_of(epoch, layers):
    """The layers to train in an epoch, after adding noise to those that get some."""
    if epoch >= FIRST_EPOCHS + NOISY_EPOCHS:
        return layers
    drawn = [layers[index] for index in torch.randperm(len(layers))[:LAYERS].tolist()]
    if epoch >= FIRST_EPOCHS:
        for layer in drawn[:NOISY_LAYERS]:
            layer.weight += torch.randn_like(layer.weight) * NOISE * layer.weight.std()
    return drawn
