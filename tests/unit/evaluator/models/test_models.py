"""Names, shapes and sizes that submissions rely on."""

import subprocess
import sys

import pytest
import torch

from lethe.evaluator.models import ARCHITECTURES, build_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layers_have_torchvision_names(architecture: str) -> None:
    network = build_model(architecture, 7)
    names = [name for name, _ in network.named_children()]
    assert names == ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_small_network_is_small_and_fits_other_sizes() -> None:
    network = build_model("resnet-small", 10)
    assert sum(parameter.numel() for parameter in network.parameters()) < 100_000
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 10)  # one image in training mode works too


def test_small_blocks_match_torchvision_names() -> None:
    small = {name.rsplit(".", 1)[0] for name in build_model("resnet-small", 10).state_dict() if "layer2.0" in name}
    large = {name.rsplit(".", 1)[0] for name in build_model("resnet18", 10).state_dict() if "layer2.0" in name}
    assert small == large


def test_initialisation_is_seeded() -> None:
    torch.manual_seed(3)
    first = build_model("resnet-small", 10).state_dict()
    torch.manual_seed(3)
    second = build_model("resnet-small", 10).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_unknown_name_and_too_few_classes() -> None:
    with pytest.raises(ValueError, match="known: resnet18, resnet-small"):
        build_model("vgg", 10)
    with pytest.raises(ValueError, match="at least 2"):
        build_model("resnet18", 1)


@pytest.mark.slow
def test_small_network_does_not_import_torchvision() -> None:
    code = "import sys, lethe.evaluator.models as models; models.build_model('resnet-small', 10); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in modules
    assert not [
        name for name in modules if name.startswith(("torchvision", "safetensors", "pydantic", "numpy.testing"))
    ]
