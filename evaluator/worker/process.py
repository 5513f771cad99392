"""The worker process: a Celery worker whose messages wake one loop, which claims, evaluates and reports."""

import os
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from functools import partial
from typing import Literal

import structlog
from celery import Celery
from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_shutting_down
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.contract.states import Owner, Stage
from lethe.evaluator.contract.tasks import EVALUATE_QUEUE, WAKE_EVALUATE_TASK, WORKER_POLL_S, celery_configuration
from lethe.evaluator.contract.work import Job, Outcome, RunRecord
from lethe.evaluator.dependencies import open_layers
from lethe.evaluator.environment import environment
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.inference.service import InferenceService
from lethe.evaluator.pipeline import EvaluationResult, WorkerResources, evaluate
from lethe.evaluator.sandbox_pool import SandboxPool, require_isolation
from lethe.evaluator.settings import IndexSettings, WorkerSettings
from lethe.evaluator.worker.bank_trainer import BankTrainer
from lethe.evaluator.worker.capabilities import find_capabilities
from lethe.evaluator.worker.fitness import WorkerUnfit, require_fit, require_same_store
from lethe.evaluator.worker.lease_renewal import LeaseRenewal
from lethe.evaluator.worker.report_spool import ReportSpool
from lethe.evaluator.worker.self_test import require_self_test
from lethe.evaluator.worker.server_client import (
    KeyRefused,
    ServerAway,
    ServerRefused,
    WorkClient,
    WorkerQuarantined,
    WorkerUnknown,
)
from lethe.evaluator.worker.worker_identity import WorkerIdentity, take_identity
from lethe.sandbox.doctor import mode
from lethe.sandbox.errors import SandboxUnavailable
from lethe.sandbox.setup import Backend

log = structlog.stdlib.get_logger(__name__)

STOP_GRACE_S = 15.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 5.0
UNFIT_S = 30.0  # between two tries of a machine that is not fit
FIRST_REST_S, LONGEST_REST_S = 20.0, 60.0  # longer than an item waits to be tried again, so that others take it
FAULTS_BEFORE_SELF_TEST = 2
_STAGES: dict[str, Literal[Stage.CHECK, Stage.RUN]] = {"check": Stage.CHECK, "hidden": Stage.RUN}


class WorkerRefused(EvaluatorError):
    """The server does not accept this worker's key; starting again would not help."""

    exit_code = 78  # EX_CONFIG of sysexits.h


class WorkerLoop:
    """Reports its predecessor's results, registers, then claims one job at a time and does `slots` of its runs at once.

    Results that the server has not confirmed survive the process, in the folder of the worker's identity.
    """

    def __init__(
        self, settings: WorkerSettings, identity: WorkerIdentity, *, sandbox_mode: str, allow_unsafe: bool = False
    ) -> None:
        self.name = identity.name
        self.failure: str | None = None
        self._sandbox_mode = sandbox_mode
        self._capabilities = find_capabilities(
            slots=settings.slots,
            sandbox_mode=sandbox_mode,
            only=None if settings.only is None else _STAGES[settings.only],
        )
        self._spool = ReportSpool(identity.folder / "spool")
        self._client = WorkClient(settings.server_url, settings.worker_key.get_secret_value(), identity.name)
        store = open_store(settings.artifacts_url)
        self._resources = WorkerResources(
            store=store,
            sandbox_pool=SandboxPool(store, settings.cache, settings, allow_unsafe=allow_unsafe),
            layers=open_layers(settings, IndexSettings()),
            inference=InferenceService(wall_s=settings.outputs_wall_s),
            cache=settings.cache,
            slots=settings.slots,
        )
        self._trainer = BankTrainer(self._client, store, worker=self.name, slots=settings.slots)
        self._fitness = partial(require_fit, store, settings.cache, min_free_bytes=settings.min_free_bytes)
        self._self_test = partial(
            require_self_test,
            settings.cache / "workers",
            sandbox_mode=sandbox_mode,
            allow_unsafe=allow_unsafe,
            again=True,
        )
        self._rests_until = 0.0  # on the monotonic clock
        self._faults = 0  # items in a row that ended as the platform's fault
        self._quarantined = False
        self._registered = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluate", daemon=True)

    def start(self) -> None:
        self._resources.inference.start()
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Hand back the current job, with its stored runs, and close everything."""
        if self._stop.is_set():
            return
        log.info("worker_stopping", work_in_hand="goes back to the queue with its finished runs")
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_GRACE_S)
        self._resources.sandbox_pool.close()
        self._resources.inference.close()
        self._client.close()

    def _run(self) -> None:
        retrying = Retrying(
            retry=retry_if_exception_type(ServerAway),
            stop=stop_when_event_set(self._stop),
            wait=wait_exponential(multiplier=FIRST_RETRY_S, max=LONGEST_RETRY_S),
            sleep=sleep_using_event(self._wake),
            before_sleep=_log_server_away,
            retry_error_callback=lambda _: 0.0,
        )
        try:
            while not self._stop.is_set():
                self._wake.wait(timeout=retrying(self._work))
            self._say_goodbye()
        except KeyRefused as error:
            self.failure = f"the server does not accept this worker: {error}"
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            log.exception("worker_died")
            os.kill(os.getpid(), signal.SIGTERM)  # else a process without its loop would look healthy
            raise

    def _work(self) -> float:
        """Do all work that there is; return the seconds to wait before asking again. Raises ServerAway."""
        self._wake.clear()
        if self._stop.is_set():
            return 0.0
        if (rest_s := self._rests_until - time.monotonic()) > 0:
            return rest_s
        try:
            self._deliver()
            if not self._registered:
                self._register()
            while not self._stop.is_set():
                job = self._client.claim()
                if job is None:
                    if self._trainer.train(self._stop):
                        continue
                    break
                with structlog.contextvars.bound_contextvars(
                    submission_id=str(job.submission_id),
                    work_id=str(job.work_id),
                    request_id=job.request_id,
                    stage=job.stage,
                ):
                    done = self._evaluate(job)
                self._deliver()
                if not done:
                    self._rest()
                    break
        except WorkerUnfit as error:
            log.error("worker_unfit", error=str(error), retry_s=UNFIT_S)  # noqa: TRY400 - no trace
            return UNFIT_S
        except WorkerUnknown:
            self._registered = False
            return 0.0
        except WorkerQuarantined as error:
            log.error("worker_quarantined", error=str(error))  # noqa: TRY400 - no trace
            self._registered, self._quarantined = False, True
            return 0.0
        return WORKER_POLL_S

    def _register(self) -> None:
        """Register once disk, store and, after several faults or in quarantine, the sandbox are proved.

        Raises WorkerUnfit.
        """
        self._fitness()
        is_tested = self._quarantined or self._faults >= FAULTS_BEFORE_SELF_TEST
        if is_tested:
            try:
                self._self_test()
            except SandboxUnavailable as error:
                raise WorkerUnfit(str(error)) from error
        answer = self._client.register(self._capabilities)
        try:
            require_same_store(self._resources.store, answer.known)
        except WorkerUnfit:
            self._client.leave()
            raise
        if is_tested:  # said only now: with another store, the test proves nothing
            self._client.register(self._capabilities, passed_self_test=True)
        self._registered, self._quarantined = True, False
        log.info(
            "worker_registered",
            worker=self.name,
            released=answer.released,
            lease_s=answer.lease_s,
            self_tested=is_tested,
        )

    def _rest(self) -> None:
        """Leave after an item that failed here, so that others try it next."""
        self._faults += 1
        self._registered = False
        self._rests_until = time.monotonic() + min(LONGEST_REST_S, FIRST_REST_S * self._faults)
        with suppress(ServerAway, ServerRefused):  # if it does not hear of it, the worker merely looks idle
            self._client.leave()
        log.warning("worker_rests_after_fault", faults=self._faults)

    def _deliver(self) -> None:
        """Send the spooled reports. Register only afterwards, because that ends the predecessor's leases."""
        for outcome in self._spool.outcomes():
            try:
                accepted = self._client.report(outcome).accepted
            except KeyRefused:
                raise
            except ServerRefused as error:
                log.error("outcome_refused", work_id=str(outcome.work_id), error=str(error))  # noqa: TRY400 - no trace
                accepted = False
            self._spool.forget(outcome.work_id, outcome.token)
            log.info("outcome_delivered", work_id=str(outcome.work_id), accepted=accepted)
        for beat in self._spool.unfinished():
            try:
                self._client.heartbeat(beat)
            except KeyRefused:
                raise
            except ServerRefused as error:
                log.error("runs_refused", work_id=str(beat.work_id), error=str(error))  # noqa: TRY400 - no trace
            self._spool.forget(beat.work_id, beat.token)
            log.info("runs_of_predecessor_delivered", work_id=str(beat.work_id), runs=len(beat.finished))

    def _evaluate(self, job: Job) -> bool:
        """Evaluate the job and spool its outcome; False if it ended as the platform's fault."""
        started = time.monotonic()
        log.info("work_started", attempt=job.attempt, runs=len(job.runs))
        interrupt = threading.Event()
        renewal = LeaseRenewal(self._client, job, interrupt=interrupt, stop=self._stop)

        def finished(record: RunRecord) -> None:
            self._spool.add(job, record)
            renewal.add(record)

        self._spool.begin(job)
        with renewal:
            evaluated = evaluate(self._resources, job, interrupt=interrupt, finished=finished)
        if renewal.lost:
            self._spool.forget(job.work_id, job.token)
            log.info("work_stopped")
            return True
        self._spool.finish(self._outcome(job, evaluated))
        log.info(
            "work_done",
            runs=len(evaluated.finished),
            attempt=job.attempt,
            fault=evaluated.fault.code if evaluated.fault else None,
            wall_s=round(time.monotonic() - started, 1),
        )
        if evaluated.fault is not None and evaluated.fault.owner is Owner.PLATFORM:
            return False
        self._faults = 0
        return True

    def _outcome(self, job: Job, evaluated: EvaluationResult) -> Outcome:
        complete = evaluated.check is not None or len(evaluated.finished) == len(job.runs)
        packages = evaluated.check.packages if evaluated.check is not None else job.packages
        layer = {"packages": " ".join(packages), "packages_sha256": evaluated.packages_sha256} if packages else {}
        return Outcome(
            work_id=job.work_id,
            token=job.token,
            sandbox_mode=self._sandbox_mode,
            finished=evaluated.finished,
            fault=evaluated.fault,
            handed_back=evaluated.fault is None and not complete,
            check=evaluated.check,
            environment=environment() | layer,
        )

    def _say_goodbye(self) -> None:
        try:
            self._deliver()
            if self._registered:
                self._client.leave()
        except (ServerAway, ServerRefused) as error:
            log.warning("left_without_goodbye", error=str(error))


def run_worker(settings: WorkerSettings, *, allow_unsafe: bool = False) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises SandboxUnavailable when this machine cannot isolate submissions, WorkerRefused when the server does not know
    this worker's key.
    """
    require_isolation(settings, allow_unsafe=allow_unsafe)
    sandbox_mode = mode(settings.sandbox_backend, settings.gpu)
    folder = settings.cache / "workers"
    if require_self_test(folder, sandbox_mode=sandbox_mode, allow_unsafe=allow_unsafe):
        log.info("self_test_passed", sandbox_mode=sandbox_mode)
    loop = WorkerLoop(settings, take_identity(folder), sandbox_mode=sandbox_mode, allow_unsafe=allow_unsafe)
    if settings.sandbox_backend is Backend.UNSAFE:
        log.warning("submissions_are_not_isolated", sandbox_mode=sandbox_mode)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until those who wait below have handlers of their own
    loop.start()  # does not wait for the broker: its messages only shorten the wait for the next poll
    log.info("worker_ready", worker=loop.name, slots=settings.slots, sandbox_mode=sandbox_mode)
    try:
        if settings.broker:
            _listen(settings.broker, loop)
        else:
            _wait_for_signal()
    except SystemExit:
        pass
    except RuntimeError as error:  # as which Python 3.11 raises it from within the making of a class, in an import
        if not isinstance(error.__cause__, SystemExit):
            raise
    loop.stop()
    if loop.failure is not None:
        raise WorkerRefused(loop.failure)


def _listen(broker_url: str, loop: WorkerLoop) -> None:
    """Let messages wake the loop, until SIGTERM or SIGINT."""
    celery = Celery("lethe-evaluator", set_as_current=False)
    celery.conf.update(celery_configuration(broker_url))
    celery.task(name=WAKE_EVALUATE_TASK)(loop.wake)

    def stopping(**_: object) -> None:
        loop.stop()

    setup_logging.connect(_leave_logs, weak=False)
    celery_worker.safe_say = _log_words
    worker_shutting_down.connect(stopping, weak=False)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle; only JSON is accepted
    celery.Worker(
        queues=[EVALUATE_QUEUE],
        pool="solo",
        hostname=f"evaluate-{os.getpid()}@{socket.gethostname()}",
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    ).start()


def _log_server_away(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    # At the first miss the server may only be starting beside this worker.
    report = log.info if state.attempt_number == 1 else log.warning
    report("server_away", error=str(error), retry_s=state.upcoming_sleep)


def _wait_for_signal() -> None:
    signals = {signal.SIGTERM, signal.SIGINT}
    done = threading.Event()
    for number in signals:
        signal.signal(number, lambda *_: done.set())
    while not done.wait(1.0):  # an endless wait would not notice a signal that another thread took
        pass


def _log_words(text: str, *_: object) -> None:
    """Log what Celery would print past the log, such as that it shuts down."""
    log.info("celery_says", text=text)


def _leave_logs(**_: object) -> None:
    """Keep Celery from setting the level of all loggers: it asks this signal's receivers first."""
