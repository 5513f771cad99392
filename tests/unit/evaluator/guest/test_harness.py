"""What real submissions do with network and loaders, and what the harness makes of what they give back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load
from safetensors.torch import save_file as save_tensors

from lethe.evaluator.guest import harness
from lethe.evaluator.models import build_model
from lethe.sandbox.guest import InvalidResult, NoResult

CLASSES = 4
HEADER = "import torch\ndef unlearning(net, retain, forget, validation{extra}):\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("retain", 20), ("forget", 6), ("validation", 6)):
        arrays[f"{part}.images"] = generator.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}.labels"] = np.arange(count) % CLASSES
        arrays[f"{part}.image_id"] = np.arange(count)
        arrays[f"{part}.person_id"] = np.arange(count) // 2
        arrays[f"{part}.age"] = np.linspace(1, 80, count, dtype=np.float32)
    save_file(arrays, folder / harness.VISIBLE)
    torch.manual_seed(0)
    save_tensors(build_model("resnet-small", CLASSES).state_dict(), folder / harness.ORIGINAL)
    setting = {"architecture": "resnet-small", "classes": CLASSES, "batch_size": 8, "device": "cpu"}
    (folder / harness.SETTING).write_text(json.dumps(setting))
    return folder


def call(inputs: Path, body: str, *, extra: str = "", seed: int = 1) -> dict[str, torch.Tensor]:
    """The state dict after one run on a fresh context."""
    source = HEADER.format(extra=extra) + "".join(f"    {line}\n" for line in body.splitlines())
    return load(harness.run(harness.load(inputs), source.encode(), "submission.py", "unlearning", seed))


FITTING = {
    "returns nothing": "pass",
    "returns the net": "return net",
    "changes in place": "with torch.no_grad():\n    net.fc.weight.add_(1)",
    "half precision": "return net.half()",
    "frozen": "for p in net.parameters():\n    p.requires_grad_(False)\nreturn net",
    "pruned": (
        "import torch.nn.utils.prune as prune\n"
        "prune.l1_unstructured(net.conv1, 'weight', 0.5)\nreturn net"
    ),
    "parametrised": (
        "from torch.nn.utils import parametrizations\n"
        "parametrizations.weight_norm(net.fc)\nparametrizations.orthogonal(net.layer1[0].conv1)\nreturn net"
    ),
    "tied storage": "net.bn1.bias = net.bn1.weight",
    "transposed view": "net.conv1.weight = torch.nn.Parameter(net.conv1.weight.transpose(2, 3))",
    "a copy": "import copy\nreturn copy.deepcopy(net)",
}  # fmt: skip


@pytest.mark.parametrize("body", FITTING.values(), ids=FITTING.keys())
def test_result_fits_the_original_architecture(inputs: Path, body: str) -> None:
    state = call(inputs, body)
    original = build_model("resnet-small", CLASSES).state_dict()
    assert {name: tensor.shape for name, tensor in state.items()} == {n: t.shape for n, t in original.items()}
    assert {tensor.dtype for tensor in state.values()} == {torch.float32, torch.int64}


def test_pruning_is_folded_into_the_weight(inputs: Path) -> None:
    state = call(inputs, FITTING["pruned"])
    share = (state["conv1.weight"] == 0).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.01)


def test_a_parametrisation_is_folded_into_the_weight(inputs: Path) -> None:
    state = call(
        inputs,
        "from torch.nn.utils import parametrizations\n"
        "parametrizations.weight_norm(net.fc)\n"
        "with torch.no_grad():\n    net.fc.parametrizations.weight.original0.fill_(2.0)\nreturn net",
    )
    assert torch.allclose(state["fc.weight"].norm(dim=1), torch.full((CLASSES,), 2.0))


def test_batches_read_both_ways_and_loaders_are_real(inputs: Path) -> None:
    call(
        inputs,
        "images, targets = next(iter(retain))\n"
        "assert images.dtype == torch.float32 and images.shape == (8, 3, 32, 32), images.shape\n"
        "assert images.max() > 1.5 and targets.dtype == torch.int64\n"
        "batch = next(iter(forget))\n"
        "assert batch['image'].shape == (6, 3, 32, 32) and batch['age_group'].shape == (6,)\n"
        "assert set(batch.keys()) >= {'image_id', 'age', 'person_id'}\n"
        "assert len(retain.dataset) == 20 and len(retain) == 3\n"
        "again = torch.utils.data.DataLoader(torch.utils.data.Subset(retain.dataset, torch.arange(4)), batch_size=2)\n"
        "assert [len(t) for _, t in again] == [2, 2]",
    )


def test_known_extra_parameters_are_bound_by_name(inputs: Path) -> None:
    call(
        inputs,
        "assert device == torch.device('cpu') and seed == 7 and other == 5\n"
        "assert class_weights.shape == (4,) and 'fc.weight' in param_names",
        extra=", device, class_weights, seed, param_names, other=5",
        seed=7,
    )


def test_seed_decides_every_generator(inputs: Path) -> None:
    body = (
        "import random, numpy\n"
        "with torch.no_grad():\n"
        "    net.fc.bias.copy_(torch.tensor([random.random(), numpy.random.rand(), torch.rand(()), 0.0]))"
    )
    first, again, other = (call(inputs, body, seed=seed)["fc.bias"] for seed in (3, 3, 2**63 - 1))
    assert torch.equal(first, again)
    assert (first[:3] != other[:3]).all()


CHANGE = "import copy\nother = copy.deepcopy(net)\nwith torch.no_grad():\n    {}.fc.weight.add_(1)\nreturn {}"


@pytest.mark.parametrize(
    ("changed", "returned", "is_said"), [("net", "other", True), ("other", "other", False), ("net", "net", False)]
)
def test_changes_that_do_not_count_are_mentioned(
    inputs: Path, capsys: pytest.CaptureFixture[str], changed: str, returned: str, is_said: bool
) -> None:
    call(inputs, CHANGE.format(changed, returned))
    assert (harness.IGNORED in capsys.readouterr().err) == is_said


@pytest.mark.parametrize("value", ["42", "'net'", "(net,)", "torch.ones(3)"])
def test_other_results_are_no_result(inputs: Path, value: str) -> None:
    with pytest.raises(NoResult, match=r"torch\.nn\.Module"):
        call(inputs, f"return {value}")


@pytest.mark.parametrize(
    "body",
    [
        "net.fc.weight = torch.nn.Parameter(net.fc.weight.detach().to_sparse(), requires_grad=False)",
        "return net.to('meta')",
    ],
)
def test_tensors_without_plain_bytes_are_an_invalid_result(inputs: Path, body: str) -> None:
    with pytest.raises(InvalidResult, match="not a dense tensor"):
        call(inputs, body)
