"""A dry run on practice data, as the check stage does it, with everything on this machine."""

import threading
from pathlib import Path
from uuid import UUID

from pydantic import Field

from evaluator.artifacts import open_store
from evaluator.artifacts.outputs import read_outputs
from evaluator.banks.seeding import Report
from evaluator.contract.base import Contract
from evaluator.contract.faults import Fault
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import Stage
from evaluator.contract.work import CheckReport, Job, RunOrder
from evaluator.data.sources import Files
from evaluator.dependencies import open_layers
from evaluator.inference.service import InferenceService
from evaluator.jails import Jails, require_isolation
from evaluator.pipeline import Station, evaluate
from evaluator.preparation import prepare_practice
from evaluator.settings import IndexSettings, LayerSettings

_NOBODY = UUID(int=0)
_SEEDS = (0, 1)  # two, so that a network that no seed changes is noticed


class CheckResult(Contract):
    """How the dry run went. `accuracies` in [0, 1] by part, of the unlearned network on practice data."""

    report: CheckReport
    fault: Fault | None
    accuracies: dict[str, float] = Field(default_factory=dict)


class PracticeFailed(RuntimeError):
    """The dry run could not be done; this machine's fault, not the submission's."""


def practise(
    source: bytes,
    spec: CompetitionSpec,
    *,
    store_folder: Path,
    scratch: Path,
    files: Files | None = None,
    allow_unsafe: bool = False,
    progress: Report | None = None,
) -> CheckResult:
    """The result of two runs of `source` on the competition's practice data, which is made on first use.

    `files` says where a source that reads files finds them.

    Raises SandboxUnavailable where nothing untrusted can be run, and what `prepare_practice` raises.
    """
    settings = LayerSettings()
    require_isolation(settings, allow_unsafe=allow_unsafe)
    store = open_store(f"file://{store_folder}")
    practice = prepare_practice(spec, store, files=files, progress=progress)
    job = Job(
        work_id=_NOBODY,
        token=0,
        lease_s=3600,
        submission_id=_NOBODY,
        generation=0,
        stage=Stage.CHECK,
        source=store.put_named_by_digest("sources/check", source, ".py"),
        visible=practice.visible,
        original=practice.original,
        evaluation=practice.evaluation,
        architecture=spec.model.architecture,
        classes=spec.data.classes,
        batch_size=spec.evaluation.batch_size,
        limits=spec.limits,
        dependencies=spec.dependencies,
        packages=None,
        runs=tuple(RunOrder(index=index, seed=seed) for index, seed in enumerate(_SEEDS)),
    )
    with InferenceService(wall_s=60.0) as inference:
        jails = Jails(store, scratch, settings, allow_unsafe=allow_unsafe)
        layers = open_layers(settings, IndexSettings())
        station = Station(store=store, jails=jails, layers=layers, inference=inference, cache=scratch, slots=1)
        inference.start()
        try:
            done = evaluate(station, job, interrupt=threading.Event(), finished=lambda _: None)
        finally:
            jails.close()
    if done.check is None:
        raise PracticeFailed(done.fault.message if done.fault else "the run was interrupted")
    accuracies = {} if done.check_outputs is None else read_outputs(done.check_outputs).accuracy
    return CheckResult(report=done.check, fault=done.fault, accuracies=accuracies)
