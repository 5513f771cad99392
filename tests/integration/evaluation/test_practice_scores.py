"""A check on a worker has a practice score where there are practice oracles, and passes just the same without one."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from lethe.evaluator import check_score
from lethe.evaluator.artifacts.outputs import read_outputs, stack_outputs
from lethe.evaluator.artifacts.practice_bundle import write_bundle
from lethe.evaluator.check_score import FURTHER_FAILED, FURTHER_FAULT
from lethe.evaluator.contract.practice import practice_facts
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import CompetitionSpec, MetricSpec
from lethe.evaluator.contract.work import PracticeScoring, RunOrder
from lethe.evaluator.inference.service import InferenceSetting
from lethe.evaluator.metrics import evaluate
from lethe.evaluator.pipeline import EvaluationResult, WorkerResources
from lethe.evaluator.scoring.reference_set import pool_of
from tests.integration.evaluation.worker_resources import CLASSES, run

pytestmark = pytest.mark.component("bubblewrap")

SEEDS = (11, 12)
FURTHER = tuple(RunOrder(index=index, seed=11 + index) for index in range(2, 8))
SHIFTS = "def unlearning(net, retain, forget, validation, seed):\n    net.fc.bias.data.add_(seed / 50 * {sign})\n"
FAILS_LATER = SHIFTS.format(sign="1") + "    if seed > 13:\n        raise ValueError('later')\n"
IDLE = "def unlearning(net, retain, forget, validation):\n    return net\n"


def outputs_of(resources: WorkerResources, seed: int) -> bytes:
    """What a run of SHIFTS gives, without a guest."""
    weights = load_tensors(resources.store.get("original.safetensors"))
    weights["fc.bias"] = weights["fc.bias"] + seed / 50
    path = resources.cache / "evaluation-of-the-test.safetensors"
    path.write_bytes(resources.store.get("evaluation.safetensors"))
    setting = InferenceSetting(architecture="resnet-small", classes=CLASSES, batch_size=4, evaluation=path)
    return resources.inference.compute(save_tensors(weights), setting, threading.Event())


@pytest.fixture(scope="module")
def oracles(resources: WorkerResources) -> list[bytes]:
    return [outputs_of(resources, 100 + index) for index in range(9)]


@pytest.fixture(scope="module")
def bundle(resources: WorkerResources, oracles: list[bytes]) -> ArtifactRef:
    return store_bundle(resources, oracles)


def store_bundle(resources: WorkerResources, oracles: list[bytes], rule: Any = "exact") -> ArtifactRef:
    facts = practice_facts(CompetitionSpec(slug="noise", title="Noise"))
    data = write_bundle(
        facts.model_copy(update={"metric": MetricSpec(rule=rule)}),
        visible=resources.store.get("visible.safetensors"),
        evaluation=resources.store.get("evaluation.safetensors"),
        original=resources.store.get("original.safetensors"),
        oracles=stack_outputs([read_outputs(one) for one in oracles]) if oracles else None,
    )
    return resources.store.put_named_by_digest("practice/noise", data, ".safetensors")


def check(resources: WorkerResources, source: str, bundle: ArtifactRef, **more: Any) -> EvaluationResult:
    plan = PracticeScoring(bundle=bundle, runs=FURTHER)
    return run(resources, source, seeds=SEEDS, is_practice=True, practice_score=plan, **more)


@pytest.mark.parametrize(("rule", "compared"), [("exact", 9), ("competition", 8)])
def test_it_is_the_score_of_eight_runs(
    resources: WorkerResources, oracles: list[bytes], rule: Any, compared: int
) -> None:
    done = check(resources, SHIFTS.format(sign="1"), store_bundle(resources, oracles, rule))
    assert (done.fault, done.finished) == (None, ())
    assert done.check is not None
    found = done.check.practice
    assert found is not None
    labels = load(resources.store.get("evaluation.safetensors"))["forget.labels"]
    ours, theirs = (
        pool_of(stack_outputs([read_outputs(one) for one in outputs]), labels)
        for outputs in ([outputs_of(resources, seed) for seed in range(11, 19)], oracles[:compared])
    )
    expected = evaluate(ours, theirs, rule=rule)
    assert (found.rule, found.runs, found.oracles, done.check.practice_missing) == (rule, 8, compared, "")
    assert (found.score, found.low, found.high) == (expected.final_score, *expected.interval)
    assert np.allclose(found.epsilon, expected.epsilon, rtol=1e-5)
    assert np.allclose(found.margins, ours.margins.mean(axis=0), rtol=1e-5)
    assert np.allclose(found.oracle_margins, theirs.margins.mean(axis=0), rtol=1e-5)


def test_nothing_else_of_the_check_depends_on_it(resources: WorkerResources, bundle: ArtifactRef) -> None:
    source = SHIFTS.format(sign="-1") + "    print(seed)\n"
    plain = run(resources, source, seeds=SEEDS, is_practice=True)
    scored = check(resources, source, bundle)
    assert plain.check is not None
    assert scored.check is not None
    assert (plain.check.practice, plain.check.practice_missing) == (None, "")
    assert scored.check.practice is not None
    assert scored.check_outputs == plain.check_outputs
    assert scored.check.stdout == plain.check.stdout == "11\n"
    assert (scored.check.advice, scored.check.curve) == (plain.check.advice, plain.check.curve)


def test_a_further_run_that_fails_is_no_fault(resources: WorkerResources, bundle: ArtifactRef) -> None:
    done = check(resources, FAILS_LATER, bundle)
    assert done.fault is None
    assert done.check is not None
    assert (done.check.practice, done.check.practice_missing, done.check.traceback) == (None, FURTHER_FAILED, "")


def test_neither_is_an_interrupt(resources: WorkerResources, bundle: ArtifactRef) -> None:
    interrupt = threading.Event()

    class Interrupted:
        """The worker is told to stop when it asks for the bundle."""

        def __getattr__(self, name: str) -> Any:
            return getattr(resources.store, name)

        def local_path(self, ref: ArtifactRef, *given: Any, **more: Any) -> Any:
            if ref == bundle:
                interrupt.set()
            return resources.store.local_path(ref, *given, **more)

    done = check(replace(resources, store=Interrupted()), SHIFTS.format(sign="1"), bundle, interrupt=interrupt)  # type: ignore[arg-type]
    assert done.fault is None
    assert done.check is not None
    assert done.check.practice_missing == FURTHER_FAILED


def test_a_bundle_that_cannot_be_had_is_no_fault(resources: WorkerResources) -> None:
    absent = ArtifactRef(key="practice/gone.safetensors", sha256="0" * 64)
    for bundle in (absent, store_bundle(resources, [])):
        done = check(resources, SHIFTS.format(sign="1"), bundle)
        assert done.fault is None
        assert done.check is not None
        assert (done.check.practice, done.check.practice_missing) == (None, FURTHER_FAULT)


def test_a_file_that_changes_nothing_or_fails_has_no_further_runs(
    resources: WorkerResources, bundle: ArtifactRef
) -> None:
    idle = check(resources, IDLE, bundle)
    assert idle.check is not None
    assert idle.check.practice_missing == "The network came back unchanged, so there is no practice score."
    failed = check(resources, "def unlearning(net, retain, forget, validation):\n    1 / 0\n", bundle)
    assert failed.fault is not None
    assert failed.check is not None
    assert (failed.check.practice, failed.check.practice_missing) == (None, "")


def test_runs_that_would_take_long_are_left_out(
    resources: WorkerResources, bundle: ArtifactRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_score, "FURTHER_WALL_S", 1.0)
    done = check(resources, SHIFTS.format(sign="1") + "    import time; time.sleep(0.5)\n", bundle)
    assert done.fault is None
    assert done.check is not None
    assert done.check.practice is None
    assert done.check.practice_missing.startswith("There is no practice score: the 6 further runs that it takes would")
