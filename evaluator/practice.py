"""A dry run of the check stage on practice data, entirely on this machine."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field
from safetensors.numpy import load

from lethe.evaluator import metrics
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import load_pool
from lethe.evaluator.artifacts.outputs import read_outputs, stack_outputs
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.banks.seeding import Progress, ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.faults import Fault
from lethe.evaluator.contract.hidden_estimates import HiddenScale, hidden_scale
from lethe.evaluator.contract.practice_score import PracticeScore
from lethe.evaluator.contract.prepared_competition import PreparedPractice
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import CheckReport, Job, RunOrder, RunRecord
from lethe.evaluator.data.sources import Files
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.pipeline import WorkerResources, evaluate
from lethe.evaluator.preparation import prepare_practice
from lethe.evaluator.sandbox_pool import SandboxPool, require_isolation
from lethe.evaluator.scoring.reference_set import pool_of
from lethe.evaluator.settings import IndexSettings, LayerSettings

_NOBODY = UUID(int=0)
CHECK_RUNS = 2  # so that a network that no seed changes is noticed
SCORED_RUNS = 8  # the minimum for a score

RunStage = Literal[Stage.CHECK, Stage.RUN]


class CheckResult(Contract):
    """The result of the dry run. `accuracies` in [0, 1] by part, of the unlearned network on practice data."""

    report: CheckReport
    fault: Fault | None
    accuracies: dict[str, float] = Field(default_factory=dict)
    score: PracticeScore | None = Field(default=None, description="None where it was not asked for, or runs failed")


class PracticeFailed(EvaluatorError):
    """The dry run could not be done; this machine's fault, not the submission's."""


@dataclass(frozen=True)
class Practice:
    """Open sandboxes and the practice data of one competition; `open_practice` makes it."""

    spec: CompetitionSpec
    prepared: PreparedPractice
    resources: WorkerResources
    progress: ReportProgress | None

    def check(self, source: bytes, *, with_score: bool = False, leaves_out: bool = False) -> CheckResult:
        """Run `source` twice; see `practise`. Raises PracticeFailed."""
        spec, store = self.spec, self.resources.store
        check = _job(source, spec, store, self.prepared, Stage.CHECK, range(CHECK_RUNS))
        scale = _hidden_scale(spec, self.prepared)
        check = check.model_copy(update={"leaves_out": leaves_out, "hidden": scale})
        done = evaluate(self.resources, check, interrupt=threading.Event(), finished=lambda _: None)
        if done.check is None:
            raise PracticeFailed(done.fault.message if done.fault else "the run was interrupted")
        accuracies = {} if done.check_outputs is None else read_outputs(done.check_outputs).accuracy
        fault, score = done.fault, None
        if fault is None and with_score:
            exact = source if done.check.exact is None else store.get(done.check.exact)
            runs = _job(exact, spec, store, self.prepared, Stage.RUN, range(CHECK_RUNS, CHECK_RUNS + SCORED_RUNS))
            runs = runs.model_copy(update={"packages": done.check.packages})
            fault, score = _scored(self.resources, runs, spec, self.prepared, self.progress)
        return CheckResult(report=done.check, fault=fault, accuracies=accuracies, score=score)


@contextmanager
def open_practice(
    spec: CompetitionSpec,
    *,
    store_folder: Path,
    scratch: Path,
    files: Files | None = None,
    allow_unsafe: bool = False,
    progress: ReportProgress | None = None,
) -> Iterator[Practice]:
    """Open what checks on the competition's practice data need, which are made on first use.

    `files` says where a source that reads files finds them. Raises SandboxUnavailable where untrusted code cannot be
    isolated, and what `prepare_practice` raises.
    """
    settings = LayerSettings()
    require_isolation(settings, allow_unsafe=allow_unsafe)
    store = open_store(f"file://{store_folder}")
    prepared = prepare_practice(spec, store, files=files, progress=progress)
    with InferenceService(wall_s=60.0) as inference:
        sandbox_pool = SandboxPool(store, scratch, settings, allow_unsafe=allow_unsafe)
        resources = WorkerResources(
            store=store,
            sandbox_pool=sandbox_pool,
            layers=open_layers(settings, IndexSettings()),
            inference=inference,
            cache=scratch,
            slots=min(SCORED_RUNS, len(os.sched_getaffinity(0))),
        )
        inference.start()
        try:
            yield Practice(spec, prepared, resources, progress)
        finally:
            sandbox_pool.close()


def practise(
    source: bytes,
    spec: CompetitionSpec,
    *,
    store_folder: Path,
    scratch: Path,
    files: Files | None = None,
    allow_unsafe: bool = False,
    progress: ReportProgress | None = None,
    with_score: bool = False,
    leaves_out: bool = False,
) -> CheckResult:
    """Run `source` twice on the competition's practice data.

    With `with_score` eight more runs are scored against eight oracles of the practice data, which are trained on first
    use. With `leaves_out` statements of the module that cannot run here are left out first. Raises as `open_practice`
    does, and PracticeFailed.
    """
    opened = open_practice(
        spec, store_folder=store_folder, scratch=scratch, files=files, allow_unsafe=allow_unsafe, progress=progress
    )
    with opened as practice:
        return practice.check(source, with_score=with_score, leaves_out=leaves_out)


def _job(
    source: bytes, spec: CompetitionSpec, store: ArtifactStore, practice: PreparedPractice, stage: RunStage, runs: range
) -> Job:
    """A job with these runs, whose indices are their seeds."""
    return Job(
        work_id=_NOBODY,
        token=time.time_ns(),
        lease_s=3600,
        submission_id=_NOBODY,
        generation=0,
        stage=stage,
        source=store.put_named_by_digest("sources/check", source, ".py"),
        ignores_cuda=spec.ignore_cuda,
        is_practice=True,
        visible=practice.visible,
        original=practice.original,
        evaluation=practice.evaluation,
        architecture=spec.model.architecture,
        classes=spec.data.classes,
        batch_size=spec.evaluation.batch_size,
        limits=spec.limits,
        dependencies=spec.dependencies,
        packages=None,
        runs=tuple(RunOrder(index=index, seed=index) for index in runs),
    )


def _hidden_scale(spec: CompetitionSpec, practice: PreparedPractice) -> HiddenScale | None:
    """How hidden runs differ, where the specification tells numbers of people; None where it takes the hidden files."""
    data, counts = spec.data, practice.counts
    if counts is None or not isinstance(data, SyntheticFacesSpec):
        return None
    more = data.identities / spec.practice.identities
    hidden = counts.model_copy(update={"retain": round(counts.retain * more), "forget": round(counts.forget * more)})
    return hidden_scale(counts, hidden, image_size=data.image_size, wall_limit_s=spec.limits.run_wall_s)


def _scored(
    resources: WorkerResources,
    job: Job,
    spec: CompetitionSpec,
    practice: PreparedPractice,
    progress: ReportProgress | None,
) -> tuple[Fault | None, PracticeScore | None]:
    """Do the runs and return their fault or their score."""
    store, started = resources.store, time.monotonic()
    records: list[RunRecord] = []

    def finished(record: RunRecord) -> None:
        records.append(record)
        if progress is not None:
            progress(Progress("runs", len(records), SCORED_RUNS, len(records), time.monotonic() - started))

    try:
        done = evaluate(resources, job, interrupt=threading.Event(), finished=finished)
        if done.fault is not None:
            return done.fault, None
        ordered = sorted(records, key=lambda record: record.index)
        unlearned = stack_outputs([read_outputs(store.get(record.outputs)) for record in ordered])
    finally:
        store.delete(record.outputs.key for record in records)
    bank = bank_identity(spec, practice.visible, practice.evaluation)
    with training_pool() as pool:
        fill_banks([(bank, index) for index in range(SCORED_RUNS)], store, pool, stage="oracles", progress=progress)
    retrained = load_pool(store, bank.digest, range(SCORED_RUNS))
    labels = load(store.get(practice.evaluation))["forget.labels"]
    runs, oracles = pool_of(unlearned, labels), pool_of(retrained, labels)
    score = metrics.evaluate(runs, oracles, rule=spec.metric.rule, cap_ratios=spec.metric.cap_ratios)
    return None, PracticeScore(
        rule=score.rule,
        runs=score.runs,
        oracles=score.oracles,
        score=score.final_score,
        low=score.interval[0],
        high=score.interval[1],
        forgetting_quality=score.forgetting_quality,
        retain_ratio=score.retain_ratio,
        test_ratio=score.test_ratio,
        epsilon=tuple(score.epsilon.tolist()),
        margins=tuple(runs.margins.mean(axis=0).tolist()),
        oracle_margins=tuple(oracles.margins.mean(axis=0).tolist()),
    )
