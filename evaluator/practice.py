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

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.oracles import load_pool, trained_indices
from lethe.evaluator.artifacts.outputs import StackedOutputs, read_outputs, stack_outputs
from lethe.evaluator.artifacts.practice_bundle import PracticeBundle
from lethe.evaluator.banks.seeding import Progress, ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.faults import Fault
from lethe.evaluator.contract.practice import FEWEST_RUNS
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.work import CheckReport, Job, RunOrder, RunRecord
from lethe.evaluator.data.sources import Files
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.pipeline import WorkerResources, evaluate
from lethe.evaluator.practice_data import PracticeData, load_practice
from lethe.evaluator.practice_score import PracticeScore
from lethe.evaluator.sandbox_pool import SandboxPool, require_isolation
from lethe.evaluator.scoring.practice import needs_equal_pools, score_practice
from lethe.evaluator.settings import IndexSettings, LayerSettings

_NOBODY = UUID(int=0)
CHECK_RUNS = 2  # so that a network that no seed changes is noticed
TRAINED_ORACLES = 8

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

    data: PracticeData
    resources: WorkerResources
    progress: ReportProgress | None

    def check(self, source: bytes, *, scored_runs: int = 0, leaves_out: bool = False) -> CheckResult:
        """Run `source` twice; see `practise`. Raises PracticeFailed."""
        store = self.resources.store
        if scored_runs:
            self._require_oracles(scored_runs)
        check = _job(source, store, self.data, Stage.CHECK, range(CHECK_RUNS))
        check = check.model_copy(update={"leaves_out": leaves_out, "hidden": self.data.hidden})
        done = evaluate(self.resources, check, interrupt=threading.Event(), finished=lambda _: None)
        if done.check is None:
            raise PracticeFailed(done.fault.message if done.fault else "the run was interrupted")
        accuracies = {} if done.check_outputs is None else read_outputs(done.check_outputs).accuracy
        fault, score = done.fault, None
        if fault is None and scored_runs:
            exact = source if done.check.exact is None else store.get(done.check.exact)
            runs = _job(exact, store, self.data, Stage.RUN, range(CHECK_RUNS, CHECK_RUNS + scored_runs))
            runs = runs.model_copy(update={"packages": done.check.packages})
            fault, score = self._score(runs)
        return CheckResult(report=done.check, fault=fault, accuracies=accuracies, score=score)

    def _require_oracles(self, runs: int) -> None:
        """Raise PracticeFailed where the rule needs as many oracles as runs, and fewer came with the data."""
        oracles = self.data.oracles
        if oracles is not None and self._needs_equal_pools and len(oracles) < runs:
            raise PracticeFailed(
                f"the rule of these practice scores needs as many oracles as runs, and the practice bundle has "
                f"{len(oracles)}: use --runs {len(oracles)} or fewer"
            )

    @property
    def _needs_equal_pools(self) -> bool:
        return needs_equal_pools(self.data.facts.metric)

    def _score(self, job: Job) -> tuple[Fault | None, PracticeScore | None]:
        """Do the runs and return their fault or their score."""
        fault, unlearned = self._run(job)
        if unlearned is None:
            return fault, None
        retrained, trained_s = self._oracles(len(unlearned))
        labels = load(self.resources.store.get(self.data.prepared.evaluation))["forget.labels"]
        score = score_practice(unlearned, retrained, labels, self.data.facts.metric)
        return None, PracticeScore(**score.model_dump(exclude={"trained_s"}), trained_s=trained_s)

    def _run(self, job: Job) -> tuple[Fault | None, StackedOutputs | None]:
        store, started = self.resources.store, time.monotonic()
        records: list[RunRecord] = []

        def finished(record: RunRecord) -> None:
            records.append(record)
            if self.progress is not None:
                elapsed_s = time.monotonic() - started
                self.progress(Progress("runs", len(records), len(job.runs), len(records), elapsed_s))

        try:
            done = evaluate(self.resources, job, interrupt=threading.Event(), finished=finished)
            if done.fault is not None:
                return done.fault, None
            ordered = sorted(records, key=lambda record: record.index)
            return None, stack_outputs([read_outputs(store.get(record.outputs)) for record in ordered])
        finally:
            store.delete(record.outputs.key for record in records)

    def _oracles(self, runs: int) -> tuple[StackedOutputs, float | None]:
        """Return enough oracles to score so many runs against, and the seconds of training those that were missing.

        They came with the data, or they are eight that are trained once and kept.
        """
        came = self.data.oracles
        if came is not None:
            return came, None
        store, bank, started = self.resources.store, self.data.bank, time.monotonic()
        wanted = range(runs if self._needs_equal_pools else TRAINED_ORACLES)
        missing = not set(wanted) <= set(trained_indices(store, bank.digest))
        with training_pool() as pool:
            fill_banks([(bank, index) for index in wanted], store, pool, stage="oracles", progress=self.progress)
        trained_s = time.monotonic() - started if missing else None
        return load_pool(store, bank.digest, wanted), trained_s


@contextmanager
def open_practice(
    given: CompetitionSpec | PracticeBundle,
    *,
    store_folder: Path,
    scratch: Path,
    files: Files | None = None,
    settings: LayerSettings | None = None,
    allow_unsafe: bool = False,
    progress: ReportProgress | None = None,
) -> Iterator[Practice]:
    """Open what checks on practice data need: those of a specification, or of a downloaded bundle.

    `files` says where a source that reads files finds them, `settings` how runs are isolated. Raises
    SandboxUnavailable where untrusted code cannot be isolated, and what `load_practice` raises.
    """
    settings = settings or LayerSettings()
    require_isolation(settings, allow_unsafe=allow_unsafe)
    store = open_store(f"file://{store_folder}")
    data = load_practice(given, store, files=files, progress=progress)
    with InferenceService(wall_s=60.0) as inference:
        sandbox_pool = SandboxPool(store, scratch, settings, allow_unsafe=allow_unsafe)
        resources = WorkerResources(
            store=store,
            sandbox_pool=sandbox_pool,
            layers=open_layers(settings, IndexSettings()),
            inference=inference,
            cache=scratch,
            slots=min(FEWEST_RUNS, len(os.sched_getaffinity(0))),
        )
        inference.start()
        try:
            yield Practice(data, resources, progress)
        finally:
            sandbox_pool.close()


def practise(
    source: bytes,
    given: CompetitionSpec | PracticeBundle,
    *,
    store_folder: Path,
    scratch: Path,
    files: Files | None = None,
    allow_unsafe: bool = False,
    progress: ReportProgress | None = None,
    scored_runs: int = 0,
    leaves_out: bool = False,
) -> CheckResult:
    """Run `source` twice on the practice data of a specification or of a bundle.

    With `scored_runs`, of which a score needs eight, so many more runs are scored against the bundle's practice
    oracles, or against oracles that are trained on first use. With `leaves_out` statements of the module that cannot
    run here are left out first. Raises as `open_practice` does, and PracticeFailed.
    """
    opened = open_practice(
        given, store_folder=store_folder, scratch=scratch, files=files, allow_unsafe=allow_unsafe, progress=progress
    )
    with opened as practice:
        return practice.check(source, scored_runs=scored_runs, leaves_out=leaves_out)


def _job(source: bytes, store: ArtifactStore, data: PracticeData, stage: RunStage, runs: range) -> Job:
    """A job with these runs, whose indices are their seeds; runs of a check have its time limit, as on a server."""
    facts = data.facts
    limits = facts.limits
    if stage is Stage.CHECK:
        limits = limits.model_copy(update={"run_wall_s": min(limits.run_wall_s, limits.check_wall_s)})
    return Job(
        work_id=_NOBODY,
        token=time.time_ns(),
        lease_s=3600,
        submission_id=_NOBODY,
        generation=0,
        stage=stage,
        source=store.put_named_by_digest("sources/check", source, ".py"),
        ignores_cuda=facts.ignore_cuda,
        is_practice=True,
        visible=data.prepared.visible,
        original=data.prepared.original,
        evaluation=data.prepared.evaluation,
        architecture=facts.architecture,
        classes=facts.classes,
        batch_size=facts.batch_size,
        limits=limits,
        dependencies=facts.dependencies,
        packages=None,
        runs=tuple(RunOrder(index=index, seed=index) for index in runs),
    )
