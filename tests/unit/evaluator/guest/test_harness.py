"""What real submissions do with network and loaders, and what the harness makes of what they give back."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from lethe.evaluator.contract.parameters import Unbindable
from lethe.evaluator.guest import harness
from lethe.evaluator.models import build_model
from lethe.sandbox.guest import InvalidResult, NoResult
from tests.unit.evaluator.guest.inputs import CLASSES

HEADER = "import torch\ndef unlearning(net, retain, forget, validation{extra}):\n"


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
    "compiled": "return torch.compile(net)",
    "data parallel": "return torch.nn.DataParallel(net)",
    "averaged": (
        "averaged = torch.optim.swa_utils.AveragedModel(net)\naveraged.update_parameters(net)\nreturn averaged"
    ),
    "wrapped twice": "return torch.nn.DataParallel(torch.optim.swa_utils.AveragedModel(net))",
    "compiled and pruned": (
        "import torch.nn.utils.prune as prune\n"
        "prune.l1_unstructured(net.conv1, 'weight', 0.5)\nreturn torch.compile(net)"
    ),
    "counted": (
        "net.register_buffer('total_ops', torch.zeros(1))\nnet.fc.register_buffer('total_params', torch.ones(2))"
    ),
    "old weight norm": "torch.nn.utils.weight_norm(net.fc)",
    "old spectral norm": "torch.nn.utils.spectral_norm(net.conv1)",
    "a copy": "import copy\nreturn copy.deepcopy(net)",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
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


def call_with(inputs: Path, signature: str, body: str) -> dict[str, torch.Tensor]:
    """The state dict after one run of a function of any signature."""
    source = f"import torch\ndef unlearning({signature}):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return load(harness.run(harness.load(inputs), source.encode(), "submission.py", "unlearning", 1))


SIZES = "assert [len(one.dataset) for one in ({})] == {}"
SIGNATURES = {
    "three": ("net, retain, forget", SIZES.format("retain, forget", [20, 6])),
    "swapped": ("net, forget_loader, retain_loader", SIZES.format("retain_loader, forget_loader", [20, 6])),
    "keyword only": ("*, net, forget, retain", SIZES.format("retain, forget", [20, 6])),
    "star": ("net, *loaders", SIZES.format("loaders[0], loaders[1], loaders[2]", [20, 6, 6])),
    "default between": ("net, lr=1, retain=None, forget=None", SIZES.format("retain, forget", [20, 6])),
    "train": (
        "net, train_loader, retain_loader, forget_loader",
        "images, labels = next(iter(train_loader))\nassert images.shape[0] == train_loader.batch_size == 8\n"
        + SIZES.format("train_loader, retain_loader, forget_loader", [26, 20, 6]),
    ),
    "teacher": (
        "net, teacher, retain, forget",
        "assert teacher is not net and not teacher.training\n"
        "assert {p.requires_grad for p in teacher.parameters()} == {False}\n"
        "assert {p.requires_grad for p in net.parameters()} == {True}\n"
        "assert torch.equal(net.fc.weight, teacher.fc.weight)",
    ),
    "device in capitals": ("net, retain, forget, DEVICE", "assert DEVICE == next(net.parameters()).device"),
}  # fmt: skip


@pytest.mark.parametrize(("signature", "body"), SIGNATURES.values(), ids=SIGNATURES.keys())
def test_parameters_get_what_their_names_say(inputs: Path, signature: str, body: str) -> None:
    assert call_with(inputs, signature, body)


def test_a_function_that_only_running_tells_is_bound_or_refused_in_the_guest(inputs: Path) -> None:
    source = "exec('def f(net, forget, retain, mode): return net')\nunlearning = f\n"
    with pytest.raises(Unbindable, match="mode would"):
        harness.run(harness.load(inputs), source.encode(), "submission.py", "unlearning", 1)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_old_norms_are_folded_as_a_forward_pass_computes_them(inputs: Path, norm: str) -> None:
    body = (
        f"torch.nn.utils.{norm}(net.fc)\nnet.eval()\n"
        "with torch.no_grad():\n    for p in net.fc.parameters(): p.mul_(1.5)\n"
        "net(torch.zeros(2, 3, 32, 32))\ntorch.save(net.fc.weight.detach(), 'weight.pt')"
    )
    state = call(inputs, body)
    assert torch.equal(state["fc.weight"], torch.load("weight.pt"))


def test_buffers_that_are_dropped_are_named(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(inputs, FITTING["counted"])
    assert "no buffers total_ops, fc.total_params; they are dropped" in capsys.readouterr().err


def test_adapters_are_refused_with_what_to_merge(inputs: Path) -> None:
    with pytest.raises(InvalidResult, match=r"fc\.lora_A.*merge"):
        call(inputs, "net.fc.lora_A = torch.nn.Parameter(torch.zeros(2, 2))")


def test_cuda_calls_do_nothing_where_the_host_allows_it(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (torch.Tensor, torch.nn.Module):
        monkeypatch.setattr(kind, "cuda", kind.cuda)
        monkeypatch.setattr(kind, "to", kind.to)
    for name in (harness.VISIBLE, harness.ORIGINAL):
        (tmp_path / name).symlink_to(inputs / name)
    setting = json.loads((inputs / harness.SETTING).read_text())
    (tmp_path / harness.SETTING).write_text(json.dumps({**setting, "ignores_cuda": True}))
    body = "net.cuda()\nfor x, _ in forget:\n    net(x.cuda(0, non_blocking=True))\nassert x.device.type == 'cpu'\n"
    body += (
        "net.to('cuda')\nfor x, _ in forget:\n    net(x.to(device='cuda:0', dtype=x.dtype).to(torch.device('cuda')))"
    )
    assert call(tmp_path, body).keys() == call(inputs, "pass").keys()
