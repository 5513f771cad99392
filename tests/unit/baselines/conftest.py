"""A small network that knows its small training set by renewal, and a way to run a baseline on it as a worker does."""

import copy
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from lethe.evaluator.bench.sweep import with_constants
from lethe.evaluator.guest import harness
from lethe.evaluator.models import build_model

BASELINES = Path(__file__).parents[3] / "baselines"
CLASSES = 4
SIZES = {"retain": 64, "forget": 16, "validation": 16}

State = dict[str, Tensor]
RunBaseline = Callable[..., State]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the sandbox; on a busy machine several threads wait for each other at every small layer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tensors() -> State:
    """Photographs whose colour says the class; those to forget have labels that only memory can know."""
    generator = torch.Generator().manual_seed(0)
    found: State = {}
    for part, count in SIZES.items():
        labels = torch.arange(count) % CLASSES
        images = torch.randint(0, 120, (count, 3, 32, 32), generator=generator)
        images[torch.arange(count), labels % 3, :16] += 60 + 30 * (labels // 3)[:, None, None]
        found[f"{part}.images"] = images.to(torch.uint8)
        found[f"{part}.labels"] = labels.roll(1) if part == "forget" else labels
        found[f"{part}.image_id"] = torch.arange(count)
        found[f"{part}.person_id"] = torch.arange(count) // 2
        found[f"{part}.age"] = torch.rand(count)
    return found


@pytest.fixture(scope="session")
def original(tensors: State) -> nn.Module:
    """A small network trained on retain and forget until it knows both."""
    torch.manual_seed(0)
    net = build_model("resnet-small", CLASSES)
    images = torch.cat((tensors["retain.images"], tensors["forget.images"])).float()
    labels = torch.cat((tensors["retain.labels"], tensors["forget.labels"]))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(15):
        for rows in torch.randperm(len(labels)).split(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
            optimizer.step()
    assert float((net.eval()(images).argmax(1) == labels).float().mean()) > 0.95
    return net


@pytest.fixture(scope="session")
def run(tensors: State, original: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> RunBaseline:
    """`run(name, seed=1, net=None, **constants)`: the state dict after one run of a baseline in the harness."""
    folder = tmp_path_factory.mktemp("working-folder")

    def call(name: str, *, seed: int = 1, net: nn.Module | None = None, batch_size: int = 8, **constants: Any) -> State:
        path = BASELINES / f"{name}.py"
        context = harness.Context(copy.deepcopy(net or original), tensors, batch_size=batch_size, classes=CLASSES)
        source = with_constants(path.read_bytes(), constants, path)
        with chdir(folder):  # the harness writes the file there
            return load(harness.run(context, source, "submission.py", "unlearning", seed))

    return call


@pytest.fixture(scope="session")
def loss(tensors: State) -> Callable[[State, str], float]:
    """`loss(state, part)`: mean cross-entropy of a small network with these weights."""

    def measure(state: State, part: str) -> float:
        net = build_model("resnet-small", CLASSES).eval()
        net.load_state_dict(state)
        with torch.no_grad():
            logits = net(tensors[f"{part}.images"].float())
        return float(nn.functional.cross_entropy(logits, tensors[f"{part}.labels"]))

    return measure
