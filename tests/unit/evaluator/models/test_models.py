"""Names, shapes and sizes that submissions rely on."""

import pickle
import subprocess
import sys

import pytest
import torch

from lethe.evaluator.contract.networks import BUILT_IN, Network, read_network
from lethe.evaluator.models import build_model

SOURCE = "from torch import nn\n\n\ndef build(classes, width=4):\n    return nn.Linear(width, classes)\n"


@pytest.mark.parametrize("architecture", BUILT_IN)
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
    with pytest.raises(ValueError, match="known: resnet-small, resnet18, torchvision:NAME"):
        build_model("vgg", 10)
    with pytest.raises(ValueError, match="'mobilenet'; near are mobilenet_v2"):
        build_model("torchvision:mobilenet", 10)
    with pytest.raises(ValueError, match="at least 2"):
        build_model("resnet18", 1)


def test_a_network_travels_as_one_text() -> None:
    assert Network("resnet18").text == "resnet18"  # as identities of banks have always had it
    given = Network("model.py", {"width": 3}, SOURCE)
    assert read_network(given.text) == given
    assert read_network("torchvision:vgg11") == Network("torchvision:vgg11")
    for wrong in ('{"name": "x", "seed": 1}', '{"name": "x", "source": ["y"]}', "{"):
        with pytest.raises(ValueError):  # noqa: PT011 - any message: nobody writes such texts
            read_network(wrong)


def test_a_module_builds_with_its_options() -> None:
    network = build_model(Network("model.py", {"width": 3}, SOURCE).text, 2)
    assert network.weight.shape == (2, 3)
    assert build_model(Network("model.py", {}, SOURCE).text, 2).weight.shape == (2, 4)
    with pytest.raises(TypeError, match=r"other.py has no function build\(classes\)"):
        build_model(Network("other.py", {}, "x = 1").text, 2)
    with pytest.raises(TypeError, match=r"returns int, not a torch\.nn\.Module"):
        build_model(Network("other.py", {}, "build = int").text, 2)


def test_a_module_may_pickle_and_have_dataclasses() -> None:
    source = (
        "from dataclasses import dataclass\nfrom torch import nn\n@dataclass\nclass Size:\n    width: int = 3\n"
        "class Net(nn.Linear):\n    pass\ndef build(classes):\n    return Net(Size().width, classes)\n"
    )
    network = build_model(Network("model.py", {}, source).text, 2)
    assert type(pickle.loads(pickle.dumps(network))) is type(network)  # noqa: S301 - made here


@pytest.mark.slow
def test_small_network_does_not_import_torchvision() -> None:
    code = "import sys, lethe.evaluator.models as models; models.build_model('resnet-small', 10); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in modules
    assert not [
        name for name in modules if name.startswith(("torchvision", "safetensors", "pydantic", "numpy.testing"))
    ]
