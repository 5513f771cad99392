"""One evaluation, read top to bottom: packages, runs in the sandbox, outputs in the inference child, artifacts."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from evaluator.artifacts import ArtifactError, ArtifactStore, ArtifactStoreAway
from evaluator.contract.faults import Fault, FaultCode, platform_fault
from evaluator.contract.script_block import InvalidScriptBlock, ScriptBlock, read_script_block
from evaluator.contract.states import Stage
from evaluator.contract.submission import FILENAME, FUNCTION
from evaluator.contract.work import CheckReport, Job, RunOrder, RunRecord
from evaluator.dependencies import DependencyRefused, InstallerFailure, InstallInterrupted, Layer, Layers
from evaluator.inference.service import (
    InferenceCancelled,
    InferenceFailure,
    InferenceService,
    InferenceSetting,
    WeightsRefused,
)
from evaluator.run_reports import advise, check_report, fault_of
from evaluator.sandbox_pool import SandboxPool
from sandbox import Allowance, RunResult, SandboxError, Status

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
PATIENCE_S = 900.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 15.0
TICK_S = 0.25
REPEATED_SHARE = 32
"""One of every so many hidden runs is done twice: no jail hides the clock, but this tells who uses it."""
_FAILURES = (SandboxError, ArtifactError, InferenceFailure, OSError)


@dataclass(frozen=True)
class WorkerResources:
    """What a worker evaluates with."""

    store: ArtifactStore
    sandbox_pool: SandboxPool
    layers: Layers
    inference: InferenceService
    cache: Path
    slots: int


@dataclass(frozen=True)
class Evaluated:
    """How a job went: `fault` is None when every run is stored or when it was interrupted.

    `check` and `check_outputs` are of one run of the check stage; the outputs are not stored. `packages_sha256` is the
    content of the layer, empty without one.
    """

    finished: tuple[RunRecord, ...]
    fault: Fault | None
    check: CheckReport | None = None
    check_outputs: bytes | None = None
    packages_sha256: str = ""


@dataclass(frozen=True)
class _Task:
    """What every run of a job has in common; `run` is the sandbox's, with everything but the seed and the allowance."""

    resources: WorkerResources
    job: Job
    setting: InferenceSetting
    run: Callable[..., RunResult]
    allowance: Allowance | None
    stop: threading.Event


@dataclass(frozen=True)
class _Run:
    """What came of one run: its record or its fault, or nothing when it was interrupted."""

    result: RunResult | None = None
    outputs: bytes | None = None
    record: RunRecord | None = None
    fault: Fault | None = None


def evaluate(
    resources: WorkerResources, job: Job, *, interrupt: threading.Event, finished: Callable[[RunRecord], None]
) -> Evaluated:
    """Do the runs of `job`, `resources.slots` at a time; the first fault, or `interrupt`, ends the others.

    `finished` hears of each run as soon as its outputs are stored. Platform faults are returned, not raised.
    """
    block = ScriptBlock()
    try:
        source = _patiently(lambda: resources.store.get(job.source), interrupt)
        packages = job.packages
        if packages is None:
            block = read_script_block(source)
            packages = resources.layers.resolve(block, job.dependencies, interrupt)
        with resources.layers.open(packages, job.dependencies, interrupt) as layer:
            return _evaluate_with(layer, resources, job, source, interrupt=interrupt, finished=finished)
    except InstallInterrupted:
        return Evaluated(finished=(), fault=None)
    except InvalidScriptBlock as error:
        return _refuse(job, FaultCode.INVALID_METADATA, str(error), error.line)
    except DependencyRefused as refusal:
        return _refuse(job, refusal.code, str(refusal), block.line)
    except (InstallerFailure, ArtifactError, OSError) as error:
        log.exception("packages_not_installed", submission_id=str(job.submission_id))
        return Evaluated(finished=(), fault=platform_fault(f"{type(error).__name__}: {error}"))


def _refuse(job: Job, code: FaultCode, message: str, line: int | None) -> Evaluated:
    """The participant's fault, in the check stage; what was installed there must be possible everywhere."""
    if job.stage is Stage.RUN:
        return Evaluated(finished=(), fault=platform_fault(f"{code}: {message}"))
    fault = Fault(code=code, message=message[:4_000], line=line)
    report = CheckReport(stdout="", stderr=fault.message, traceback="", wall_s=0.0, cpu_s=None, peak_memory_bytes=None)
    return Evaluated(finished=(), fault=fault, check=report)


def _evaluate_with(
    layer: Layer,
    resources: WorkerResources,
    job: Job,
    source: bytes,
    *,
    interrupt: threading.Event,
    finished: Callable[[RunRecord], None],
) -> Evaluated:
    stop = _Either(interrupt)
    records: list[RunRecord] = []
    fault: Fault | None = None
    report: CheckReport | None = None
    outputs: bytes | None = None
    failure: Exception | None = None
    try:
        task = _prepare(layer, resources, job, source, stop)
        # One thread more than slots, so that the outputs of one run are computed and stored while the next one runs.
        with ThreadPoolExecutor(max_workers=resources.slots + 1, thread_name_prefix="slot") as slots:
            repeated = _drawn(len(job.runs)) if job.stage is Stage.RUN and resources.sandbox_pool.is_exact else set()
            ends = [slots.submit(_do_run, task, order, place in repeated) for place, order in enumerate(job.runs)]
            for end in as_completed(ends):
                try:
                    run = end.result()
                except _FAILURES as error:
                    failure = failure or error  # what the other slots finish meanwhile still counts
                    stop.set()
                    continue
                if run.record is not None:
                    records.append(run.record)
                    finished(run.record)
                if run.fault is not None and fault is None:
                    fault = run.fault
                    stop.set()
        if job.stage is Stage.CHECK and failure is None:
            report, outputs = _checked(task, [end.result() for end in ends], layer.packages)
    except InferenceCancelled:
        report = None
    except _FAILURES as error:
        failure = failure or error
    if failure is not None:  # then a run that was killed may have died of it, too
        log.error("evaluation_failed", submission_id=str(job.submission_id), exc_info=failure)
        resources.sandbox_pool.discard(job, layer)
        fault = platform_fault(f"{type(failure).__name__}: {failure}")
    return Evaluated(tuple(records), fault, check=report, check_outputs=outputs, packages_sha256=layer.sha256)


def _prepare(layer: Layer, resources: WorkerResources, job: Job, source: bytes, stop: threading.Event) -> _Task:
    """Raises as the store and sandbox pool do."""
    setting = InferenceSetting(
        architecture=job.architecture,
        classes=job.classes,
        batch_size=job.batch_size,
        evaluation=_patiently(lambda: resources.store.local_path(job.evaluation, resources.cache), stop),
    )
    sandbox = _patiently(lambda: resources.sandbox_pool.get(job, layer), stop)
    run_in = _limited(sandbox.run, resources.slots)
    run = partial(run_in, source, filename=FILENAME, function=FUNCTION, cancel=stop)
    allowance = None if job.wall_left_s is None else Allowance(job.wall_left_s)
    return _Task(resources, job, setting, run, allowance, stop)


def _drawn(runs: int) -> set[int]:
    """A place at random in every `REPEATED_SHARE` of so many runs; in what is left over, with that share's chance."""
    return {start + secrets.randbelow(REPEATED_SHARE) for start in range(0, runs, REPEATED_SHARE)}


def _limited(run: Callable[..., RunResult], slots: int) -> Callable[..., RunResult]:
    """`run`, at most `slots` at a time; the others wait."""
    free = threading.Semaphore(slots)

    def wait_and_run(*arguments: Any, **named: Any) -> RunResult:
        with free:
            return run(*arguments, **named)

    return wait_and_run


def _patiently(call: Callable[[], T], stop: threading.Event) -> T:
    """What `call` returns, tried again for minutes while the artifact store is away, unless `stop` is set meanwhile.

    The lease is kept alive all the time, and starting anew elsewhere would meet the same store.
    """
    deadline = time.monotonic() + PATIENCE_S
    delay_s = FIRST_RETRY_S
    while True:
        try:
            return call()
        except ArtifactStoreAway as error:
            if stop.is_set() or time.monotonic() > deadline:
                raise
            log.warning("artifact_store_away", error=str(error), retry_s=delay_s)
        _sleep(delay_s, stop)
        delay_s = min(2 * delay_s, LONGEST_RETRY_S)


def _sleep(seconds: float, stop: threading.Event) -> None:
    """Return after `seconds`, or soon after `stop` is set; an event that looks at another one cannot be waited for."""
    until = time.monotonic() + seconds
    while not stop.is_set() and (left_s := until - time.monotonic()) > 0:
        time.sleep(min(TICK_S, left_s))


def _do_run(task: _Task, order: RunOrder, is_repeated: bool) -> _Run:
    resources, job, stop = task.resources, task.job, task.stop
    if stop.is_set():
        return _Run()
    try:
        result = task.run(seed=order.seed, allowance=task.allowance)
        if result.status is Status.CANCELLED:
            return _Run()
        if result.payload is None:
            return _Run(result, fault=fault_of(result, is_hidden=job.stage is Stage.RUN))
        outputs = resources.inference.compute(result.payload, task.setting, stop)
    except InferenceCancelled:
        return _Run()
    except WeightsRefused as refusal:
        message = "" if job.stage is Stage.RUN else str(refusal)
        return _Run(result, fault=Fault(code=refusal.code, message=message))
    if job.stage is Stage.CHECK:
        return _Run(result, outputs)
    stored = _patiently(lambda: resources.store.put(job.outputs_key(order.index), outputs), stop)
    repeatable = None
    if is_repeated:
        again = task.run(seed=order.seed)
        repeatable = None if again.status in (Status.CANCELLED, Status.TIMEOUT) else again.payload == result.payload
    return _Run(
        result, record=RunRecord(index=order.index, outputs=stored, wall_s=result.wall_s, repeatable=repeatable)
    )


def _checked(task: _Task, runs: Sequence[_Run], packages: tuple[str, ...]) -> tuple[CheckReport | None, bytes | None]:
    """What the participant sees of the check's runs, and the outputs of the one that is shown: a failed one if any.

    Nothing when they were interrupted. Raises as the store and inference do.
    """
    ended = [run for run in runs if run.result is not None]
    failed = next((run for run in ended if run.fault is not None), None)
    if failed is not None and failed.result is not None:
        return check_report(failed.result, failed.fault, packages), failed.outputs
    results = [(run.result, run.outputs) for run in ended if run.result is not None]
    if len(results) < len(runs):
        return None, None
    resources, job = task.resources, task.job
    original = _patiently(lambda: resources.store.get(job.original), task.stop)
    untouched = resources.inference.compute(original, task.setting, task.stop)
    result, outputs = results[0]
    return check_report(result, None, packages, advise(results, untouched, job.limits.run_wall_s)), outputs


class _Either(threading.Event):
    """Set when its own flag or an outer event is set."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self._outer.is_set()
