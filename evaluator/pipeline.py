"""Evaluate one job, read top to bottom: packages, runs in the sandbox, outputs in the inference child, artifacts."""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential,
)

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore, ArtifactStoreAway
from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.artifacts.practice_bundle import open_bundle
from lethe.evaluator.artifacts.store import sha256_hex
from lethe.evaluator.check_score import FURTHER_FAILED, FURTHER_FAULT, reason_against, score_check
from lethe.evaluator.contract.curves import Curve, read_curve, split_claim
from lethe.evaluator.contract.faults import Fault, FaultCode, platform_fault
from lethe.evaluator.contract.practice_score import FURTHER_LIMIT_S, ScoredPractice
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.script_block import InvalidScriptBlock, ScriptBlock, line_of_package, read_script_block
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.submission import FILENAME, FUNCTION
from lethe.evaluator.contract.work import CheckReport, Job, PracticeScoring, RunOrder, RunRecord
from lethe.evaluator.curve_sample import sample_accuracies
from lethe.evaluator.dependencies import DependencyRefused, InstallerFailure, InstallInterrupted, Layer, Layers
from lethe.evaluator.exact_source import Decision, decide
from lethe.evaluator.inference.audit_order import audit_order
from lethe.evaluator.inference.service import (
    InferenceCancelled,
    InferenceFailure,
    InferenceService,
    InferenceSetting,
    WeightsRefused,
)
from lethe.evaluator.run_reports import advise, check_report, estimate_hidden, explained, fault_of
from lethe.evaluator.sandbox_pool import SandboxPool
from lethe.sandbox import Allowance, RunResult, Sandbox, SandboxError, Status

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")
OUTAGE_LIMIT_S = 900.0
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 15.0
REPEATED_SHARE = 32
"""One of every 32 hidden runs is done twice: no jail hides the clock, but this shows which submissions use it."""
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
class EvaluationResult:
    """How a job ended: `fault` is None when every run is stored or when it was interrupted.

    `check` and `check_outputs` are of one run of the check stage; these outputs are not stored. `packages_sha256` is
    the digest of the layer's content, empty without one.
    """

    finished: tuple[RunRecord, ...]
    fault: Fault | None
    check: CheckReport | None = None
    check_outputs: bytes | None = None
    packages_sha256: str = ""


@dataclass(frozen=True)
class _RunOutcome:
    """The record or the fault of one run, or neither when it was interrupted."""

    result: RunResult | None = None
    outputs: bytes | None = None
    record: RunRecord | None = None
    fault: Fault | None = None
    weights: bytes | None = None
    """Of a run that is to be audited."""
    curve: bytes = b""
    """The guest's claim of it."""


def evaluate(
    resources: WorkerResources, job: Job, *, interrupt: threading.Event, finished: Callable[[RunRecord], None]
) -> EvaluationResult:
    """Do the runs of `job`, `resources.slots` at a time.

    Setting `interrupt` ends all runs. This function sets it too, at the first fault, so pass an event of the job's own.
    `finished` is called with each run as soon as its outputs are stored, and with an audited one again when its audit
    is: audits begin when all runs are done, so that they take no processor from them, and one that fails costs nothing
    else. Platform faults are returned, not raised.
    """
    block = ScriptBlock()
    try:
        source = _retry_while_away(lambda: resources.store.get(job.source), interrupt)
        packages = job.packages
        if packages is None:
            block = read_script_block(source)
            packages = resources.layers.resolve(block, job.dependencies, interrupt)
        with resources.layers.open(packages, job.dependencies, interrupt) as layer:
            return _evaluate_with(layer, resources, job, source, interrupt=interrupt, finished=finished)
    except InstallInterrupted:
        return EvaluationResult(finished=(), fault=None)
    except InvalidScriptBlock as error:
        return _refuse(job, FaultCode.INVALID_METADATA, str(error), error.line)
    except DependencyRefused as refusal:
        return _refuse(job, refusal.code, str(refusal), line_of_package(source, block, refusal.name))
    except (InstallerFailure, ArtifactError, OSError) as error:
        log.exception("packages_not_installed", submission_id=str(job.submission_id))
        return EvaluationResult(finished=(), fault=platform_fault(f"{type(error).__name__}: {error}"))


def _refuse(job: Job, code: FaultCode, message: str, line: int | None) -> EvaluationResult:
    """The participant's fault in the check stage, the platform's later: what the check installed must install again."""
    if job.stage is Stage.RUN:
        return EvaluationResult(finished=(), fault=platform_fault(f"{code}: {message}"))
    fault = Fault(code=code, message=message[:4_000], line=line)
    report = CheckReport(stdout="", stderr="", traceback="", wall_s=0.0, cpu_s=None, peak_memory_bytes=None)
    return EvaluationResult(finished=(), fault=fault, check=report)


def _evaluate_with(
    layer: Layer,
    resources: WorkerResources,
    job: Job,
    source: bytes,
    *,
    interrupt: threading.Event,
    finished: Callable[[RunRecord], None],
) -> EvaluationResult:
    records: dict[int, RunRecord] = {}
    weights: dict[int, bytes] = {}
    fault: Fault | None = None
    report: CheckReport | None = None
    outputs: bytes | None = None
    failure: Exception | None = None
    decision: Decision | None = None
    try:
        runs = _prepare_runs(layer, resources, job, source, interrupt)
        if job.stage is Stage.CHECK and job.leaves_out:
            decision = runs.decide()
            if decision.failed is not None:
                return _undecided(decision, layer, job, source)
            runs = replace(runs, source=decision.source)
        # One thread more than slots, so that the outputs of one run are computed and stored while the next one runs.
        with ThreadPoolExecutor(max_workers=resources.slots + 1, thread_name_prefix="slot") as slots:
            is_exact_run = job.stage is Stage.RUN and resources.sandbox_pool.is_exact
            repeated = _choose_repeated(len(job.runs)) if is_exact_run else set()
            futures = [  # in copies of this context, so that log lines of a slot name the job
                slots.submit(copy_context().run, runs.run, order, place in repeated)
                for place, order in enumerate(job.runs)
            ]
            for future in as_completed(futures):
                try:
                    outcome = future.result()
                except _FAILURES as error:
                    failure = failure or error  # runs that finish in other slots meanwhile still count
                    interrupt.set()
                    continue
                if outcome.record is not None:
                    records[outcome.record.index] = outcome.record
                    finished(outcome.record)
                    if outcome.weights is not None:
                        weights[outcome.record.index] = outcome.weights
                if outcome.fault is not None and fault is None:
                    fault = outcome.fault
                    interrupt.set()
        if job.stage is Stage.CHECK and failure is None:
            outcomes = [future.result() for future in futures]
            report, outputs = runs.report_check(outcomes, layer.packages)
            if report is not None and decision is not None:
                report = report.model_copy(update={"exact": runs.store_exact(), "left_out": decision.notes})
            if report is not None and fault is None:
                report = _with_practice_score(report, runs, outcomes, layer)
        if fault is None and failure is None:
            for index, audit in runs.audit(weights):
                records[index] = records[index].model_copy(update={"audit": audit})
                finished(records[index])
    except InferenceCancelled:
        report = None
    except _FAILURES as error:
        failure = failure or error
    if failure is not None:  # it outranks a fault: the failure may be what killed that run
        log.error("evaluation_failed", submission_id=str(job.submission_id), exc_info=failure)
        resources.sandbox_pool.discard(job, layer)
        fault = platform_fault(f"{type(failure).__name__}: {failure}")
    stored = tuple(records.values())
    return EvaluationResult(stored, fault, check=report, check_outputs=outputs, packages_sha256=layer.sha256)


def _with_practice_score(
    report: CheckReport, runs: "_JobRuns", outcomes: Sequence[_RunOutcome], layer: Layer
) -> CheckReport:
    """Return the report of a check that ended well with its practice score, or with why there is none.

    Raises nothing, and whatever happens is no fault: the file has passed its check.
    """
    plan, score = runs.job.practice_score, None
    if plan is None:
        return report
    try:
        score, missing = runs.score_practice(plan, report, outcomes)
    except (*_FAILURES, ValueError):
        log.exception("practice_score_failed", submission_id=str(runs.job.submission_id))
        runs.resources.sandbox_pool.discard(runs.job, layer)
        missing = FURTHER_FAULT
    return report.model_copy(update={"practice": score, "practice_missing": missing})


def _undecided(decision: Decision, layer: Layer, job: Job, source: bytes) -> EvaluationResult:
    """The result where the file did not get as far as a run: it was cancelled, or the participant's fault."""
    result = decision.failed
    if result is None or result.status is Status.CANCELLED:
        return EvaluationResult(finished=(), fault=None)
    fault = explained(fault_of(result, is_hidden=False), source, job.batch_note)
    report = check_report(result, layer.packages, limits=job.limits)
    report = report.model_copy(update={"left_out": decision.notes})
    return EvaluationResult(finished=(), fault=fault, check=report, packages_sha256=layer.sha256)


def _prepare_runs(
    layer: Layer, resources: WorkerResources, job: Job, source: bytes, interrupt: threading.Event
) -> "_JobRuns":
    """Raises as the store and the sandbox pool do."""
    setting = InferenceSetting(
        architecture=job.architecture,
        classes=job.classes,
        batch_size=job.batch_size,
        evaluation=_retry_while_away(lambda: resources.store.local_path(job.evaluation, resources.cache), interrupt),
    )
    sandbox = _retry_while_away(lambda: resources.sandbox_pool.get(job, layer), interrupt)
    allowance = None if job.wall_left_s is None else Allowance(job.wall_left_s)
    return _JobRuns(
        resources=resources,
        job=job,
        source=source,
        setting=setting,
        sandbox=sandbox,
        allowance=allowance,
        interrupt=interrupt,
        slots=threading.Semaphore(resources.slots),
    )


def _choose_repeated(runs: int) -> set[int]:
    """One random place in every `REPEATED_SHARE` of `runs` runs; the last, shorter share gets one with that chance."""
    return {start + secrets.randbelow(REPEATED_SHARE) for start in range(0, runs, REPEATED_SHARE)}


def _retry_while_away(call: Callable[[], T], interrupt: threading.Event) -> T:
    """The result of `call`, tried again while the artifact store is away, for `OUTAGE_LIMIT_S` or until `interrupt`.

    The job's lease is renewed meanwhile, and another worker would find the same store away.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(ArtifactStoreAway),
        stop=stop_when_event_set(interrupt) | stop_after_delay(OUTAGE_LIMIT_S),
        wait=wait_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S),
        sleep=sleep_using_event(interrupt),
        before_sleep=_log_outage,
        reraise=True,
    )
    return retrying(call)


def _log_outage(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("artifact_store_away", error=str(error), retry_s=state.upcoming_sleep)


@dataclass(frozen=True)
class _JobRuns:
    """The runs of one job: all that they have in common. Threads may call `run` at the same time."""

    resources: WorkerResources
    job: Job
    source: bytes
    setting: InferenceSetting
    sandbox: Sandbox
    allowance: Allowance | None
    interrupt: threading.Event
    slots: threading.Semaphore

    def run(self, order: RunOrder, is_repeated: bool) -> _RunOutcome:
        """Run the submission once and store its outputs. Raises as sandbox, inference and store do."""
        if self.interrupt.is_set():
            return _RunOutcome()
        is_hidden = self.job.stage is Stage.RUN
        curve = b""
        if self._has_curve(order):
            result = self._call(order.seed, self.allowance, entry="run_with_curve")
            if result.payload is not None:
                curve, weights = split_claim(result.payload)
                result = replace(result, payload=weights)
        else:
            result = self._call(order.seed, self.allowance)
        if result.status is Status.CANCELLED:
            return _RunOutcome()
        if result.payload is None:
            fault = fault_of(result, is_hidden=is_hidden)
            return _RunOutcome(result, fault=fault if is_hidden else explained(fault, self.source, self.job.batch_note))
        try:
            outputs = self.resources.inference.compute(result.payload, self.setting, self.interrupt)
        except InferenceCancelled:
            return _RunOutcome()
        except WeightsRefused as refusal:
            return _RunOutcome(result, fault=Fault(code=refusal.code, message="" if is_hidden else str(refusal)))
        if not is_hidden:
            return _RunOutcome(result, outputs, curve=curve)
        key = self.job.outputs_key(order.index)
        stored = _retry_while_away(lambda: self.resources.store.put(key, outputs), self.interrupt)
        repeatable = self._is_repeatable(order.seed, result.payload) if is_repeated else None
        record = RunRecord(
            index=order.index,
            outputs=stored,
            wall_s=result.wall_s,
            repeatable=repeatable,
            processor_s=result.cpu_s,
            peak_memory_bytes=result.peak_memory_bytes,
            gpu_memory_bytes=result.peak_gpu_memory_bytes,
        )
        return _RunOutcome(record=record, weights=result.payload if self.job.is_audited(order.index) else None)

    def _has_curve(self, order: RunOrder) -> bool:
        """Whether accuracies are measured while it trains: in the last run of a check, whose report shows the first."""
        return self.job.is_practice and self.job.stage is Stage.CHECK and order == self.job.runs[-1]

    def _curve(self, outcome: _RunOutcome, untouched: bytes) -> Curve | None:
        """Return the curve of a check's run; None without one. `untouched`: the original model's outputs."""
        if outcome.outputs is None or not outcome.curve:
            return None
        original, unlearned = (
            sample_accuracies(read_outputs(outputs), self.setting.evaluation)
            for outputs in (untouched, outcome.outputs)
        )
        return read_curve(outcome.curve, original, unlearned)

    def audit(self, weights: Mapping[int, bytes]) -> Iterator[tuple[int, ArtifactRef]]:
        """Audit these weights of runs, by index, and yield where each audit is stored.

        Ends at an interrupt, and at the first audit that ran out of its time: the others would, too. What else fails is
        logged, and never the run's fault. Raises nothing.
        """
        plan, store = self.job.audit, self.resources.store
        if plan is None:
            return
        for index in sorted(weights):
            try:
                order = audit_order(plan, index, store, self.resources.cache)
                audit = self.resources.inference.audit(weights[index], order, self.interrupt)
                yield index, store.put(self.job.audit_key(index), audit.model_dump_json().encode())
            except InferenceCancelled:
                return
            except (ArtifactError, OSError, ValueError) as error:
                log.warning("audit_failed", run=index, error=f"{type(error).__name__}: {error}")
            else:
                if audit.missing:
                    log.warning("audit_failed", run=index, error=audit.missing)
                if audit.wall_s >= plan.wall_s:
                    return

    def decide(self) -> Decision:
        """What of the source runs; raises as the sandbox does."""
        seed = self.job.runs[0].seed
        return decide(self.source, partial(self._call, seed, self.allowance, entry="decide"))

    def store_exact(self) -> ArtifactRef:
        """Store the source of these runs and return where. Raises as the store does."""
        sha256 = sha256_hex(self.source)
        if sha256 == self.job.source.sha256:
            return self.job.source
        put = partial(self.resources.store.put, f"sources/{sha256}.py", self.source, sha256=sha256)
        return _retry_while_away(put, self.interrupt)

    def report_check(
        self, outcomes: Sequence[_RunOutcome], packages: tuple[str, ...]
    ) -> tuple[CheckReport | None, bytes | None]:
        """The participant's report on the check's runs and the outputs of the run it shows: a failed one if any.

        Neither when they were interrupted. Raises as store and inference do.
        """
        ended = [outcome for outcome in outcomes if outcome.result is not None]
        failed = next((outcome for outcome in ended if outcome.fault is not None), None)
        if failed is not None and failed.result is not None:
            return check_report(failed.result, packages, limits=self.job.limits), failed.outputs
        results = [(outcome.result, outcome.outputs) for outcome in ended if outcome.result is not None]
        if len(results) < len(outcomes):
            return None, None
        original = _retry_while_away(lambda: self.resources.store.get(self.job.original), self.interrupt)
        untouched = self.resources.inference.compute(original, self.setting, self.interrupt)
        result, outputs = results[0]
        scale, limits = self.job.hidden, self.job.limits
        report = check_report(result, packages, advise(results, untouched, limits, scale), limits)
        hidden = None if scale is None else estimate_hidden([result for result, _ in results], scale)
        return report.model_copy(update={"hidden": hidden, "curve": self._curve(outcomes[-1], untouched)}), outputs

    def score_practice(
        self, plan: PracticeScoring, report: CheckReport, outcomes: Sequence[_RunOutcome]
    ) -> tuple[ScoredPractice | None, str]:
        """Do the further runs of `plan` and score them with those of the check, or say why there is no score.

        Raises as sandbox, inference and store do, and ValueError for a bundle that does not fit.
        """
        slots = self.resources.slots
        wall_s = max(outcome.result.wall_s for outcome in outcomes if outcome.result is not None)
        if missing := reason_against(report.advice, wall_s=wall_s, runs=len(plan.runs), slots=slots):
            return None, missing
        bundle = open_bundle(self.resources.store.local_path(plan.bundle, self.resources.cache))
        further = replace(self, allowance=Allowance(FURTHER_LIMIT_S * slots))._run_all(plan.runs)
        outputs = [outcome.outputs for outcome in (*outcomes, *further) if outcome.outputs is not None]
        if len(outputs) < len(outcomes) + len(plan.runs):
            return None, FURTHER_FAILED
        return score_check(bundle, outputs, self.setting.evaluation), ""

    def _run_all(self, orders: Sequence[RunOrder]) -> list[_RunOutcome]:
        """Return the outcomes of these runs in their order; none as soon as one has no outputs."""
        with ThreadPoolExecutor(max_workers=self.resources.slots + 1, thread_name_prefix="slot") as slots:
            futures = [slots.submit(copy_context().run, self.run, order, False) for order in orders]
            try:
                if all(future.result().outputs is not None for future in futures):
                    return [future.result() for future in futures]
                return []
            finally:
                slots.shutdown(cancel_futures=True)

    def _call(
        self, seed: int, allowance: Allowance | None = None, source: bytes | None = None, *, entry: str = "run"
    ) -> RunResult:
        with self.slots:
            return self.sandbox.run(
                self.source if source is None else source,
                function=FUNCTION,
                seed=seed,
                filename=FILENAME,
                cancel=self.interrupt,
                allowance=allowance,
                entry=entry,
            )

    def _is_repeatable(self, seed: int, payload: bytes) -> bool | None:
        """Whether a second run with the seed gives the same weights; None when it did not finish."""
        again = self._call(seed)
        return None if again.status in (Status.CANCELLED, Status.TIMEOUT) else again.payload == payload
