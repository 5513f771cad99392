"""Hidden runs are audited after all of them are done; whatever becomes of the audits, the outputs stay the same."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import save

from lethe.evaluator.artifacts.oracles import ModelRecord, record_key
from lethe.evaluator.contract.audits import AuditPlan, AuditQuantity, AuditRecord
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import RunRecord
from lethe.evaluator.models import build_model
from lethe.evaluator.pipeline import EvaluationResult, WorkerResources
from tests.integration.evaluation.worker_resources import CLASSES, ref_to, run

pytestmark = pytest.mark.component("bubblewrap")

BANK = "d" * 64
SEEDS = (1, 2, 3)
AUDITED = (0, 1)
# The first run leaves the network as it is, the others change it.
SOURCE = """import torch
def unlearning(net, retain, forget, validation, seed=0):
    if seed > 1:
        with torch.no_grad():
            net.fc.weight.add_(torch.randn_like(net.fc.weight))
    return net
"""
tokens = iter(range(100, 200))


@pytest.fixture(scope="module")
def plan(resources: WorkerResources) -> AuditPlan:
    """Against two oracles, whose records and weights are in the store."""
    store = resources.store
    for index in AUDITED:
        torch.manual_seed(10 + index)
        checkpoint = store.put(f"oracle-{index}", save(build_model("resnet-small", CLASSES).state_dict()))
        record = ModelRecord(
            index=index, seed=index, checkpoint=checkpoint, outputs=checkpoint, wall_s=1.0, processor="test"
        )
        store.put(record_key(BANK, index), record.model_dump_json().encode())
    return AuditPlan(
        visible=ref_to(store, "visible.safetensors"),
        evaluation=ref_to(store, "evaluation.safetensors"),
        original=ref_to(store, "original.safetensors"),
        bank_digest=BANK,
        references=AUDITED,
        architecture="resnet-small",
        classes=CLASSES,
        batch_size=4,
        recipe=TrainingSpec(epochs=1, batch_size=8),
        wall_s=60.0,
    )


def endless(plan: AuditPlan, **changes: Any) -> AuditPlan:
    recipe = plan.recipe.model_copy(update={"epochs": 10**6})
    return plan.model_copy(update={"recipe": recipe, **changes})


def evaluate(
    resources: WorkerResources, audit: AuditPlan | None, finished: Callable[[RunRecord], None] = lambda _: None
) -> EvaluationResult:
    return run(
        resources, SOURCE, stage=Stage.RUN, seeds=SEEDS, packages=(), token=next(tokens), audit=audit, finished=finished
    )


def digests(done: EvaluationResult) -> dict[int, str]:
    assert done.fault is None, done.fault
    return {record.index: record.outputs.sha256 for record in done.finished}


def audits(resources: WorkerResources, done: EvaluationResult) -> dict[int, AuditRecord]:
    return {
        record.index: AuditRecord.model_validate_json(resources.store.get(record.audit))
        for record in done.finished
        if record.audit is not None
    }


@pytest.fixture(scope="module")
def without(resources: WorkerResources) -> dict[int, str]:
    """The digests of the outputs of runs that are not audited."""
    return digests(evaluate(resources, None))


def test_runs_are_reported_first_and_again_with_their_audits(
    resources: WorkerResources, plan: AuditPlan, without: dict[int, str]
) -> None:
    reported: list[RunRecord] = []
    done = evaluate(resources, plan, reported.append)
    assert digests(done) == without
    assert sorted(record.index for record in reported[: len(SEEDS)]) == [0, 1, 2]
    assert all(record.audit is None for record in reported[: len(SEEDS)])
    assert [record.index for record in reported[len(SEEDS) :]] == list(AUDITED)
    found = audits(resources, done)
    assert {index: (record.place, record.missing) for index, record in found.items()} == {0: (0, ""), 1: (1, "")}
    untouched, other = found[0].quantities, found[1].quantities
    assert set(untouched) == set(other) == set(AuditQuantity)
    assert untouched[AuditQuantity.DISTANCE_TO_ORIGINAL] == untouched[AuditQuantity.BARRIER_TO_ORIGINAL] == 0
    assert untouched[AuditQuantity.CKA_WITH_ORIGINAL] == pytest.approx(1)
    assert other[AuditQuantity.DISTANCE_TO_ORIGINAL] > 0
    assert other[AuditQuantity.CKA_WITH_ORIGINAL] == pytest.approx(1)  # only the head was changed
    assert digests(evaluate(resources, None)) == without  # of the child that has audited


def test_audits_that_run_out_of_their_time_change_no_outputs(
    resources: WorkerResources, plan: AuditPlan, without: dict[int, str]
) -> None:
    done = evaluate(resources, endless(plan, wall_s=1.0))
    assert digests(done) == without
    # One is enough to know that the others would take as long.
    found = audits(resources, done)
    assert {index: record.missing for index, record in found.items()} == {0: "the audit took more than 1 s"}


def test_audits_without_their_oracles_change_no_outputs(
    resources: WorkerResources, plan: AuditPlan, without: dict[int, str]
) -> None:
    done = evaluate(resources, plan.model_copy(update={"bank_digest": "e" * 64}))
    assert digests(done) == without
    assert audits(resources, done) == {}


def test_a_child_that_is_killed_in_an_audit_loses_that_audit_only(
    resources: WorkerResources, plan: AuditPlan, without: dict[int, str]
) -> None:
    done: list[EvaluationResult] = []
    reported: list[RunRecord] = []
    slow = plan.model_copy(update={"recipe": plan.recipe.model_copy(update={"epochs": 400})})
    thread = threading.Thread(target=lambda: done.append(evaluate(resources, slow, reported.append)))
    thread.start()
    deadline = time.monotonic() + 120
    while len(reported) < len(SEEDS) and time.monotonic() < deadline:
        time.sleep(0.01)
    child = resources.inference._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    thread.join()
    assert digests(done[0]) == without
    found = audits(resources, done[0])
    assert found[0].missing == "the inference process died (exit code -9)"
    assert (found[1].missing, set(found[1].quantities)) == ("", set(AuditQuantity))


def test_audits_end_with_the_lease(resources: WorkerResources, plan: AuditPlan, without: dict[int, str]) -> None:
    """An interrupt, as of a worker that stops, leaves the runs as they were stored."""
    reported: list[RunRecord] = []
    interrupt = threading.Event()

    def finished(record: RunRecord) -> None:
        reported.append(record)
        if len(reported) == len(SEEDS):
            threading.Timer(1.0, interrupt.set).start()

    started = time.monotonic()
    done = run(
        resources,
        SOURCE,
        stage=Stage.RUN,
        seeds=SEEDS,
        packages=(),
        token=next(tokens),
        audit=endless(plan),
        finished=finished,
        interrupt=interrupt,
    )
    assert digests(done) == without
    assert audits(resources, done) == {}
    assert time.monotonic() - started < 60 < plan.wall_s * len(AUDITED)


def test_the_weights_that_are_audited_are_those_of_the_run(resources: WorkerResources, plan: AuditPlan) -> None:
    """An oracle that is returned as a run's result is at no distance from itself."""
    source = """import torch
def unlearning(net, retain, forget, validation):
    torch.manual_seed(10)
    other = type(net)(4)
    return other
"""
    done = run(resources, source, stage=Stage.RUN, seeds=(5,), packages=(), token=next(tokens), audit=plan)
    (record,) = audits(resources, done).values()
    assert record.quantities[AuditQuantity.BARRIER_TO_ORACLE] == 0
