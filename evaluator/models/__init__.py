"""The architectures of competitions, built by name. Runs in the sandbox too: imports only torch and torchvision."""

from torch import nn

from .small import SmallResNet

ARCHITECTURES = ("resnet18", "resnet-small")


def build_model(architecture: str, classes: int) -> nn.Module:
    """A freshly initialised network on the CPU, in training mode; its weights come from torch's global generator.

    Input (B, 3, H, W) float32, output (B, classes) float32 logits. `resnet18` is torchvision's, unchanged;
    `resnet-small` has the same layer names. Raises ValueError for another name or fewer than two classes.
    """
    if classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
    if architecture == "resnet-small":
        return SmallResNet(classes)
    if architecture == "resnet18":
        from torchvision.models import resnet18  # importing torchvision takes seconds; the small network needs none

        network: nn.Module = resnet18(num_classes=classes)
        return network
    raise ValueError(f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
