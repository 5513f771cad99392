"""A residual network of under 100,000 parameters with the layer names of torchvision's ResNet-18."""

import torch
from torch import Tensor, nn

WIDTHS = (16, 24, 40, 56)  # channels of layer1 … layer4


def _convolution(channels_in: int, channels_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False)


class SmallBlock(nn.Module):
    """torchvision's BasicBlock: two 3×3 convolutions around a shortcut, `downsample` where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels_in, channels_out, stride)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _convolution(channels_out, channels_out, 1)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features if self.downsample is None else self.downsample(features)
        hidden = self.relu(self.bn1(self.conv1(features)))
        out: Tensor = self.relu(self.bn2(self.conv2(hidden)) + shortcut)
        return out


class SmallResNet(nn.Module):
    """conv1, bn1, relu, maxpool, layer1 … layer4 with one block each, avgpool, fc.

    Made for 32×32 photographs on one CPU thread. Initialised as torchvision's ResNet-18 is: He et al. (2015), normal,
    fan-out, for convolutions; scale 1 and shift 0 for batch norms; torch's default for the head.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = _convolution(3, WIDTHS[0], 2)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = nn.Sequential(SmallBlock(WIDTHS[0], WIDTHS[0], 1))
        self.layer2 = nn.Sequential(SmallBlock(WIDTHS[0], WIDTHS[1], 1))
        self.layer3 = nn.Sequential(SmallBlock(WIDTHS[1], WIDTHS[2], 2))
        self.layer4 = nn.Sequential(SmallBlock(WIDTHS[2], WIDTHS[3], 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(WIDTHS[3], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(features), 1))
        return logits
