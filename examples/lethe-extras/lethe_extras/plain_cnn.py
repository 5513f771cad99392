"""An architecture: three convolutions and a head. Lethe reads this text, and imports only what workers have."""

from torch import nn


def build(classes, width=16):
    """A network for images (B, 3, H, W); `width` comes from `model.options`."""
    layers = []
    for channels_in, channels_out in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
        layers.append(nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1))
        layers += [nn.BatchNorm2d(channels_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))
