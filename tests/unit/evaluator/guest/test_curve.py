"""A curve is measured within its time, of the network that is trained, and changes nothing."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from lethe.evaluator.contract.curves import CLAIM_BYTES, MAX_POINTS, read_curve, split_claim
from lethe.evaluator.guest import curve, harness
from lethe.evaluator.guest.curve import AccuracyProbe, CurveRecorder
from tests.unit.evaluator.guest.inputs import write_inputs

LOOP = """import torch
def unlearning(net, retain, forget, validation):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-5)
    for _ in range({passes}):
        for inputs, targets in retain:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
"""
STEPS_A_PASS = 3  # 20 images in batches of 8
# Everything that measuring could disturb goes into the weights: random numbers of all kinds, the order of shuffled
# data, dropout, the statistics of batch norm, modes of layers, and how often a hook of the file's own was called.
SENSITIVE = """import random
import numpy as np
import torch
from torch.nn import functional as F

def unlearning(net, retain, forget, validation):
    calls = []
    net.layer1.register_forward_hook(lambda module, args, output: calls.append(module.training))
    own = torch.utils.data.DataLoader(
        forget.dataset, batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(random.randrange(99))
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for _ in range(4):
        for inputs, targets in [*retain, *own]:
            inputs = F.dropout(inputs * random.random() + torch.randn(1) * np.random.rand(), 0.3)
            optimizer.zero_grad()
            F.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
            net.layer2.train(not net.layer2.training)
    with torch.no_grad():
        net.fc.bias.add_(len(calls) + sum(calls) / 1000 + random.random() + np.random.rand() + torch.rand(1).item())
"""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> harness.Context:
    """A context whose probe always has time."""
    folder = tmp_path_factory.mktemp("practice")
    write_inputs(folder, curve_s=1e9)
    return always(harness.load(folder))


def always(context: harness.Context) -> harness.Context:
    assert context.probe is not None
    moments = iter([0.0])
    return replace(context, probe=replace(context.probe, clock=lambda: next(moments, 1e9)))


def outcome(context: harness.Context, source: str, seed: int = 1) -> tuple[dict[str, list[list[float]]], bytes]:
    """The claim of a curve and the weights of one run on a copy of the context."""
    own = replace(context, net=fresh(context.net))
    claim, weights = split_claim(
        harness.run_with_curve(always(own), source.encode(), "submission.py", "unlearning", seed)
    )
    return json.loads(claim or b"{}"), weights


def fresh(net: torch.nn.Module) -> torch.nn.Module:
    made = type(net)(4)
    made.load_state_dict(net.state_dict())
    return made.eval()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_weights_are_the_same_bit_for_bit(context: harness.Context, seed: int) -> None:
    claim, weights = outcome(context, SENSITIVE, seed)
    own = replace(context, net=fresh(context.net))
    assert weights == harness.run(own, SENSITIVE.encode(), "submission.py", "unlearning", seed)
    assert claim["steps"] == 4 * (STEPS_A_PASS + 2)
    assert len(claim["points"]) >= 9


def test_a_curve_ends_where_the_trained_network_is(context: harness.Context) -> None:
    claim, weights = outcome(context, LOOP.format(passes=2))
    assert context.probe is not None
    assert [point[0] for point in claim["points"]] == [1, 2, 3, 4, 5, 6]
    assert tuple(claim["points"][-1][1:]) == pytest.approx(context.probe.accuracies(load(weights)), abs=1e-4)


@pytest.mark.parametrize("passes", [1, 7, 40])
def test_points_thin_out_as_steps_grow(context: harness.Context, passes: int) -> None:
    claim, _ = outcome(context, LOOP.format(passes=passes))
    places = [0, *(point[0] for point in claim["points"])]
    assert claim["steps"] == STEPS_A_PASS * passes
    assert len(places) <= MAX_POINTS - 1
    gaps = [after - before for before, after in pairwise(places)]
    assert max(gaps) <= 2 * min(gaps)
    assert len(json.dumps(claim)) < CLAIM_BYTES / 2
    ends = dict.fromkeys(("retain", "forget", "test"), 0.5)
    found = read_curve(json.dumps(claim).encode(), ends, ends)
    assert found is not None
    assert found.points[-1].step == claim["steps"]


COUNTED = {
    "no optimiser": ("with torch.no_grad():\n    net.fc.bias.add_(1)", None),
    "two optimisers": (
        "for part in (net.fc, net.conv1):\n    optimizer = torch.optim.SGD(part.parameters(), lr=0.1)\n"
        "    optimizer.step(); optimizer.step()", 4,
    ),
    "a closure": (
        "optimizer = torch.optim.LBFGS(net.fc.parameters(), max_iter=3)\n"
        "inputs, targets = next(iter(retain))\n"
        "def closure():\n    optimizer.zero_grad()\n"
        "    loss = torch.nn.functional.cross_entropy(net(inputs), targets)\n    loss.backward()\n    return loss\n"
        "optimizer.step(closure); optimizer.step(closure)", 2,
    ),
    "noise that is no network": (
        "noise = torch.zeros(3, requires_grad=True)\ntorch.optim.SGD([noise], lr=1).step()\n"
        "torch.optim.SGD(net.parameters(), lr=1).step()", 1,
    ),
    "a copy": (
        "import copy\nother = copy.deepcopy(net)\ntorch.optim.SGD(net.parameters(), lr=1).step()\n"
        "optimizer = torch.optim.SGD(other.parameters(), lr=1)\noptimizer.step(); optimizer.step()\nreturn other", 2,
    ),
    "another layer": (
        "net.fc = torch.nn.Sequential(net.fc)\ntorch.optim.SGD(net.parameters(), lr=1).step()\nnet.fc = net.fc[0]", 1,
    ),
    "compiled": ("torch.optim.SGD(torch.compile(net).parameters(), lr=1).step()\nreturn torch.compile(net)", 1),
}  # fmt: skip


@pytest.mark.parametrize(("body", "steps"), COUNTED.values(), ids=COUNTED.keys())
def test_what_counts_as_a_step(context: harness.Context, body: str, steps: int | None) -> None:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    claim, _ = outcome(context, f"import torch\ndef unlearning(net, retain, forget, validation):\n{lines}")
    assert claim.get("steps") == steps


@dataclass(frozen=True)
class Slow(AccuracyProbe):
    """A probe whose points take time of a clock that a test moves."""

    passes: Callable[[float], None] = lambda _: None

    def accuracies(self, _state: Mapping[str, Tensor]) -> tuple[float, ...]:
        self.passes(0.7)
        return (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("step_s", "steps", "limit_s"), [(0.01, 300, 1e9), (1.0, 200, 1e9), (50.0, 200, 1e9), (9, 400, 20.0)]
)
def test_a_curve_takes_at_most_a_tenth_and_no_more_than_its_limit(
    context: harness.Context, step_s: float, steps: int, limit_s: float
) -> None:
    assert context.probe is not None
    now, spent = [0.0], [0.0]

    def passes(took_s: float) -> None:
        now[0] += took_s
        spent[0] += took_s

    given = context.probe
    probe = Slow(
        given.net, given.images, given.labels, given.ends, limit_s, clock=lambda: now[0], point_s=0.5, passes=passes
    )
    net = fresh(context.net)
    recorder = CurveRecorder(probe, net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    for _ in range(steps):
        now[0] += step_s
        optimizer.step()
        assert spent[0] <= 0.1 * now[0]
        assert spent[0] <= limit_s + 0.7
    found = json.loads(recorder.curve_of(net))
    assert found["steps"] == steps
    assert len(found["points"]) >= (0 if step_s == 0.01 else 9)


def test_a_failure_ends_the_curve_and_not_the_run(context: harness.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(curve, "functional_call", fail)
    claim, weights = outcome(context, LOOP.format(passes=1))
    assert (claim["points"], len(weights) > 1000) == ([], True)


def test_without_practice_data_there_is_nothing_to_measure_with(inputs: Path) -> None:
    assert harness.load(inputs).probe is None
