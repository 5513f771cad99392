"""Files as real participants write them pass the static check and run in the real sandbox, unmodified."""

import re
from pathlib import Path

import pytest

from lethe.evaluator import pipeline
from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.faults import FaultCode, Owner
from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.pipeline import WorkerResources
from lethe.evaluator.run_reports import advise
from lethe.sandbox import RunResult, Status
from lethe.server.submissions.static_check import check_file
from tests.integration.evaluation.worker_resources import run

BASELINES = sorted(
    path for path in (Path(__file__).parents[3] / "baselines").glob("*.py") if path.name != "__init__.py"
)
FILES = sorted((Path(__file__).parents[2] / "submissions").glob("*.*"))

pytestmark = pytest.mark.component("bubblewrap")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_runs_as_it_is(resources: WorkerResources, path: Path) -> None:
    checked = check_file(path.read_bytes(), filename=path.name, limit_bytes=128 * 2**10)
    assert checked.dependencies == ()
    done = run(resources, checked.source)
    assert done.check is not None
    assert done.fault is None, f"{done.fault}\n{done.check.traceback}\n{done.check.stderr}"
    assert done.check_outputs is not None
    assert read_outputs(done.check_outputs).finite


@pytest.mark.parametrize("path", BASELINES, ids=lambda path: path.stem)
def test_baseline_runs_as_it_is(resources: WorkerResources, path: Path) -> None:
    """Every system call that training needs is one that a guest may make."""
    done = run(resources, path.read_text())
    assert done.fault is None, f"{done.fault}\n{done.check and done.check.traceback}"


def test_there_is_a_file_of_every_kind() -> None:
    assert len(FILES) >= 13


DIVERGES_ONCE = """import copy
import torch

def unlearning(net, retain, forget, validation, seed):
    original = copy.deepcopy(net)
    with torch.no_grad():
        net.fc.bias.add_(float("nan") if seed == 3 else 0.1)
"""


def test_one_hidden_run_that_diverged_ends_the_submission(resources: WorkerResources) -> None:
    done = run(resources, DIVERGES_ONCE, stage=Stage.RUN, seeds=(1, 2, 3, 4), token=40)
    assert done.fault is not None
    assert (done.fault.code, done.fault.owner) == (FaultCode.NOT_FINITE, Owner.PARTICIPANT)
    assert 2 not in {record.index for record in done.finished}


def test_a_method_that_falls_back_is_judged_on_all_of_its_runs(resources: WorkerResources) -> None:
    page = (Path(__file__).parents[3] / "docs" / "participants.md").read_text(encoding="utf-8")
    (guard,) = re.findall(r"```python\n(    if not all\(.*?\n)```", page, re.DOTALL)
    done = run(resources, DIVERGES_ONCE + guard, stage=Stage.RUN, seeds=(1, 2, 3, 4), token=41)
    assert done.fault is None
    assert {record.index for record in done.finished} == {0, 1, 2, 3}


ADVICE = {
    "nothing": ("pass", ("unchanged",)),
    "a copy that is forgotten": (
        "import copy\nother = copy.deepcopy(net)\nwith torch.no_grad():\n    other.fc.bias.add_(1)", ("unchanged",)
    ),
    "a seed of its own": (
        "torch.manual_seed(0)\nwith torch.no_grad():\n    net.fc.bias.add_(torch.randn(4))", ("same_for_all_seeds",)
    ),
    "as it should be": ("with torch.no_grad():\n    net.fc.bias.add_(torch.randn(4))", ()),
}  # fmt: skip


@pytest.mark.parametrize(("body", "codes"), ADVICE.values(), ids=ADVICE.keys())
def test_advice(resources: WorkerResources, body: str, codes: tuple[str, ...]) -> None:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    done = run(resources, f"import torch\ndef unlearning(net, retain, forget, validation):\n{lines}", seeds=(1, 2))
    assert done.fault is None
    assert done.check is not None
    assert done.check.advice == codes


def test_advice_on_time() -> None:
    def result(wall_s: float) -> RunResult:
        return RunResult(Status.OK, str(wall_s).encode(), None, "", "", False, False, wall_s, None, None)

    quick, slow = (result(1.0), b"1"), (result(8.1), b"2")
    assert advise([quick, slow], b"0", LimitsSpec(run_wall_s=10.0)) == (Advice.NEAR_TIME_LIMIT,)
    assert advise([quick, slow], b"0", LimitsSpec(run_wall_s=11.0)) == ()


def test_the_failed_run_is_the_one_that_is_shown(resources: WorkerResources) -> None:
    source = "def unlearning(net, retain, forget, validation, seed):\n    print(seed)\n    assert seed != 2\n"
    done = run(resources, source, seeds=(1, 2))
    assert done.fault is not None
    assert done.check is not None
    assert (done.check.stdout, done.check.advice) == ("2\n", ())
    assert "assert seed != 2" in done.check.traceback


@pytest.mark.parametrize(
    ("amount", "repeatable"), [("torch.rand(1).item()", True), ("time.monotonic_ns() % 1000 / 1000", False)]
)
def test_a_run_that_looks_at_the_clock_is_told_from_one_that_has_its_seed(
    resources: WorkerResources, amount: str, repeatable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "REPEATED_SHARE", 1)
    source = (
        "import time, torch\ndef unlearning(net, retain, forget, validation):\n"
        f"    with torch.no_grad():\n        net.fc.bias.add_({amount})\n"
    )
    done = run(resources, source, stage=Stage.RUN, token=1 + repeatable)
    assert [record.repeatable for record in done.finished] == [repeatable]


def test_one_of_every_so_many_hidden_runs_is_done_twice(
    resources: WorkerResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "REPEATED_SHARE", 3)
    source = "def unlearning(net, retain, forget, validation):\n    pass\n"
    done = run(resources, source, stage=Stage.RUN, seeds=tuple(range(6)), token=3)
    repeatable = {record.index: record.repeatable for record in done.finished}
    assert sorted(repeatable) == [0, 1, 2, 3, 4, 5]
    for first in (0, 3):
        assert [repeatable[index] for index in range(first, first + 3)].count(True) == 1
    assert False not in repeatable.values()
