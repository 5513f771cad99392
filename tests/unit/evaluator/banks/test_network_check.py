"""A host's network is refused with one sentence before anything is trained, and tried without credentials."""

from typing import Any

import pytest

from lethe.evaluator.banks.network_check import (
    CheckedNetwork,
    NetworkRefused,
    NetworkTrial,
    check_network,
    try_network,
)
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.networks import Network

HEAD = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=2)
        self.head = nn.Linear(4, classes)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3)))
"""
BUILD = """
def build(classes):
    return Net(classes)
"""


def trial(source: str, **options: object) -> NetworkTrial:
    return NetworkTrial(Network("model.py", options, source).text, classes=3, image_size=16, batch_size=8)


def test_a_sound_module_is_counted() -> None:
    checked = try_network(trial(HEAD + BUILD))
    assert checked.step_s is not None
    assert (checked.facts.weights, checked.facts.layers) == (3 * 4 * 9 + 4 + 4 * 3 + 3, ("body", "head"))
    assert checked.facts.state_bytes == 4 * checked.facts.weights


FORWARD = """
class Other(Net):
    def forward(self, images):
        {}
def build(classes):
    return Other(classes)
"""
MADE = """
def build(classes):
    net = Net(classes)
    {}
    return net
"""
BAD = {
    "import": (
        "import nowhere_to_be_found\n" + BUILD,
        "imports nowhere_to_be_found, which workers and sandboxes do not",
    ),
    "relative": ("from . import other\n" + BUILD, "the module must stand alone"),
    "syntax": ("def build(classes:\n", "model.py is no Python"),
    "no_build": (HEAD, r"has no function build\(classes\)"),
    "raises": (HEAD + MADE.format("raise KeyError('x')"), r"cannot be built with 3 classes: KeyError"),
    "exits": (HEAD + MADE.format("raise SystemExit(0)"), r"cannot be built with 3 classes: SystemExit"),
    "numpy": (
        HEAD + "import numpy" + MADE.format("net.head.bias.data += float(numpy.random.rand())"),
        "other weights when it is built again with the same seed",
    ),
    "own_seed": (
        HEAD + "def build(classes):\n    torch.manual_seed(7)\n    return Net(classes)",
        "the same weights with every seed",
    ),
    "lazy": (
        HEAD + MADE.format("net.head = nn.LazyLinear(classes)"),
        "head.weight gets its shape from the first batch",
    ),
    "tied": (HEAD + MADE.format("net.twin = nn.Linear(4, classes); net.twin.weight = net.head.weight"), "share memory"),
    "double": (HEAD + MADE.format("net.double()"), "weights are trained as float32"),
    "frozen": (HEAD + MADE.format("net.requires_grad_(False)"), "no parameter that can be trained"),
    "extra_state": (
        HEAD
        + "class Other(Net):\n    def get_extra_state(self):\n        return {}\n    def set_extra_state(self, _): 0\n"
        "def build(classes):\n    return Other(classes)",
        "_extra_state of the state dict is dict, not a tensor",
    ),
    "shape": (
        HEAD + FORWARD.format("return super().forward(images)[:, :2]"),
        r"with \(4, 2\) torch.float32; logits must",
    ),
    "tuple": (HEAD + FORWARD.format("return super().forward(images), 1"), "answers with tuple, not a tensor of logits"),
    "nan": (HEAD + FORWARD.format("return super().forward(images) * float('nan')"), "NaN or infinite"),
    "too_small": (
        HEAD + MADE.format("net.body = nn.Conv2d(3, 4, 40)"),
        "fails in evaluation mode on images of 16 × 16",
    ),
    "batch_of_one": (
        HEAD + FORWARD.format("return super().forward(images) / (len(images) - 1 or 1 / 0)"),
        "fails on a batch of one",
    ),
    "over_the_batch": (
        HEAD + FORWARD.format("return super().forward(images) - super().forward(images).mean(0)"),
        "answers an image otherwise when others are in its batch",
    ),
    "second_call": (
        HEAD
        + FORWARD.format(
            "self.calls = getattr(self, 'calls', 0) + 1; [0][self.calls - 1]; return super().forward(images)"
        ),
        "fails in evaluation mode on images of 16 × 16: IndexError",
    ),
    "random": (HEAD + FORWARD.format("return super().forward(images) + torch.rand(1)"), "it must be deterministic"),
    "data_dependent": (
        HEAD
        + FORWARD.format(
            "if self.training: self.head.bias.data.copy_(super().forward(images).mean(0).detach())\n"
            "        return super().forward(images)"
        ),
        "changes its weights or names when it first sees data",
    ),
    "no_gradient": (HEAD + FORWARD.format("return super().forward(images).detach()"), "has no gradient"),
}


@pytest.mark.parametrize(("source", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_trained_is_refused(source: str, said: str) -> None:
    class InThisProcess:
        def submit(self, function: Any, argument: Any) -> Any:
            from concurrent.futures import Future

            future: Future[CheckedNetwork] = Future()
            try:
                future.set_result(function(argument))
            except NetworkRefused as error:
                future.set_exception(error)
            return future

    with pytest.raises(NetworkRefused, match=said):
        check_network(trial(source), InThisProcess())  # type: ignore[arg-type]


def test_a_shipped_network_starts_no_process() -> None:
    with training_pool(1) as pool:
        checked = check_network(NetworkTrial("resnet-small", 3, 16, 8), pool)
    assert checked.step_s is None
    assert checked.facts.layers[-1] == "fc"
    assert 80_000 < checked.facts.weights < 100_000


@pytest.mark.slow
def test_a_module_runs_without_credentials(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LETHE_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    looks = """
from pathlib import Path
print("hello")
found = Path("/proc/self/environ").read_text() + Path(f"/proc/{__import__('os').getppid()}/environ").read_text()
assert "secret" not in found and "PATH=" in found
"""
    with training_pool(1) as pool:
        assert check_network(trial(HEAD + looks + BUILD), pool).facts.weights
    assert "hello" not in capfd.readouterr().out
