"""Runs methods through the worker's pipeline, and continues from the runs that an interrupted call has stored."""

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.outputs import StackedOutputs, read_outputs, stack_outputs
from lethe.evaluator.banks.seeding import Progress, ReportProgress
from lethe.evaluator.bench.sweep import Method
from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import Fault
from lethe.evaluator.contract.prepared_competition import PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Owner, Stage
from lethe.evaluator.contract.work import Job, RunOrder, RunRecord
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.environment import environment
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.pipeline import WorkerResources, evaluate
from lethe.evaluator.sandbox_pool import SandboxPool, require_isolation
from lethe.evaluator.settings import IndexSettings, LayerSettings

RunStage = Literal[Stage.CHECK, Stage.RUN]


class BenchFailed(EvaluatorError):
    """Lethe itself failed; stored runs stay, and the same command continues from there."""


@dataclass(frozen=True, eq=False)
class MethodRuns:
    """The outputs of all runs of one method and the records of them, in order, or its fault."""

    method: Method
    outputs: StackedOutputs | None
    records: tuple[RunRecord, ...]
    fault: str = ""


@dataclass(frozen=True)
class Bench:
    """The competition and the store that all methods run with. `seed` gives the seeds of the runs, which all share."""

    spec: CompetitionSpec
    split: PreparedSplit
    store: ArtifactStore
    runs: int
    seed: int


def run_methods(
    bench: Bench, methods: Sequence[Method], *, slots: int, scratch: Path, progress: ReportProgress
) -> list[MethodRuns]:
    """Do the runs that the store lacks, `slots` at a time, and return the runs of every method in order.

    A method whose code fails is reported as failed, and the others go on. Raises BenchFailed for faults that are no
    method's, and SandboxUnavailable where nothing untrusted can be run.
    """
    settings = LayerSettings()
    require_isolation(settings, allow_unsafe=False)
    started = time.monotonic()
    total = len(methods) * bench.runs
    records = [_stored_records(bench, method) for method in methods]
    settled = sum(len(found) for found in records)
    fresh = 0

    def report() -> None:
        progress(Progress("runs", settled + fresh, total, fresh, time.monotonic() - started))

    def finish(record: RunRecord, *, identity: UUID) -> None:
        nonlocal fresh
        bench.store.put(_record_key(identity, record.index), record.model_dump_json().encode())
        fresh += 1
        report()

    report()
    faults: list[str] = []
    with InferenceService(wall_s=60.0) as inference:
        sandbox_pool = SandboxPool(bench.store, scratch, settings)
        resources = WorkerResources(
            store=bench.store,
            sandbox_pool=sandbox_pool,
            layers=open_layers(settings, IndexSettings()),
            inference=inference,
            cache=scratch,
            slots=slots,
        )
        try:
            for method, found in zip(methods, records, strict=True):
                fault = None
                missing = [index for index in range(bench.runs) if index not in found]
                if missing:
                    identity = identity_of(bench, method)
                    job = make_job(bench, method, identity, missing)
                    stored = partial(finish, identity=identity)
                    done = evaluate(resources, job, interrupt=threading.Event(), finished=stored)
                    fault = done.fault
                faults.append("" if fault is None else _explain_fault(resources, bench, method, fault))
                if fault is not None:
                    total -= bench.runs - len(_stored_records(bench, method))
                    report()
        finally:
            sandbox_pool.close()
    return [_method_runs(bench, method, fault) for method, fault in zip(methods, faults, strict=True)]


def identity_of(bench: Bench, method: Method) -> UUID:
    """A digest of everything that decides the outputs of a method's runs; the number of runs is not part of it."""
    parts = [
        hashlib.sha256(method.source).hexdigest(),
        *(ref.sha256 for ref in (bench.split.visible, bench.split.original, bench.split.evaluation)),
        bench.spec.model.network.text,
        bench.spec.evaluation.batch_size,
        bench.spec.limits.model_dump(mode="json"),
        bench.seed,
        environment(),
    ]
    return UUID(bytes=hashlib.sha256(json.dumps(parts).encode()).digest()[:16])


def run_seed(seed: int, index: int) -> int:
    """The seed of a run, in [0, 2^63)."""
    return int.from_bytes(hashlib.sha256(f"bench {seed} {index}".encode()).digest()[:8], "big") >> 1


def _record_key(identity: UUID, index: int) -> str:
    return f"bench/{identity}/{index:05d}.json"


def _stored_records(bench: Bench, method: Method) -> dict[int, RunRecord]:
    identity = identity_of(bench, method)
    records = [RunRecord.model_validate_json(bench.store.get(key)) for key in bench.store.list(f"bench/{identity}")]
    return {record.index: record for record in records if record.index < bench.runs}


def _method_runs(bench: Bench, method: Method, fault: str) -> MethodRuns:
    records = _stored_records(bench, method)
    if fault or len(records) < bench.runs:
        return MethodRuns(method, None, (), fault or "interrupted")
    ordered = tuple(records[index] for index in range(bench.runs))
    outputs = stack_outputs([read_outputs(bench.store.get(record.outputs)) for record in ordered])
    return MethodRuns(method, outputs, ordered)


def make_job(bench: Bench, method: Method, identity: UUID, indices: Sequence[int], stage: RunStage = Stage.RUN) -> Job:
    """The job of these runs, under an identity of the caller's."""
    split, spec = bench.split, bench.spec
    return Job(
        work_id=identity,
        token=time.time_ns(),  # so that leftover outputs of an interrupted call, which no record names, do not conflict
        lease_s=3600,
        submission_id=identity,
        generation=0,
        stage=stage,
        source=bench.store.put_named_by_digest("sources/bench", method.source, ".py"),
        visible=split.visible,
        original=split.original,
        evaluation=split.evaluation,
        architecture=spec.model.network.text,
        classes=spec.data.classes,
        batch_size=spec.evaluation.batch_size,
        limits=spec.limits,
        dependencies=spec.dependencies,
        packages=None,
        runs=tuple(RunOrder(index=index, seed=run_seed(bench.seed, index)) for index in indices),
    )


def _explain_fault(resources: WorkerResources, bench: Bench, method: Method, fault: Fault) -> str:
    """The fault in one line, with the message of a check run: runs on hidden data show none."""
    if fault.owner is Owner.PLATFORM:
        raise BenchFailed(f"{method.name}: {fault.message or FAULT_TEXTS[fault.code]}")
    job = make_job(bench, method, identity_of(bench, method), [0], Stage.CHECK)
    shown_fault = evaluate(resources, job, interrupt=threading.Event(), finished=lambda _: None).fault
    place = f" in line {fault.line}" if fault.line else ""
    return f"{fault.code}{place}{f': {shown_fault.message}' if shown_fault is not None and shown_fault.message else ''}"
