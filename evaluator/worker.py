"""The worker process: a Celery worker whose messages wake one loop that claims, evaluates and reports."""

import os
import signal
import socket
import threading
import time
import warnings

import structlog
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from evaluator.artifacts import open_store
from evaluator.client import ServerAway, ServerRefused, WorkClient
from evaluator.contract.tasks import EVALUATE_QUEUE, WAKE_EVALUATE_TASK, WORKER_POLL_S, celery_configuration
from evaluator.contract.work import Claim, Heartbeat, Job, Outcome, RunRecord
from evaluator.dependencies import open_layers
from evaluator.environment import environment
from evaluator.inference.service import InferenceService
from evaluator.jails import Jails, require_isolation
from evaluator.pipeline import Evaluated, Station, evaluate
from evaluator.settings import IndexSettings, WorkerSettings
from evaluator.trainer import BankTrainer
from sandbox.doctor import mode
from sandbox.setup import Backend

log = structlog.stdlib.get_logger(__name__)

LONGEST_BEAT_S = 3.0
STOP_GRACE_S = 15.0


class WorkerLoop:
    """Claims one job at a time and keeps its lease alive while `slots` runs go on."""

    def __init__(self, settings: WorkerSettings, *, allow_unsafe: bool = False) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.sandbox_mode = mode(settings.sandbox_backend, settings.gpu)
        self._client = WorkClient(settings.server_url, settings.worker_key.get_secret_value())
        store = open_store(settings.artifacts_url)
        self._station = Station(
            store=store,
            jails=Jails(store, settings.cache, settings, allow_unsafe=allow_unsafe),
            layers=open_layers(settings, IndexSettings()),
            inference=InferenceService(wall_s=settings.outputs_wall_s),
            cache=settings.cache,
            slots=settings.slots,
        )
        self._trainer = BankTrainer(self._client, store, worker=self.name, slots=settings.slots)
        self._server_away = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluate", daemon=True)

    def start(self) -> None:
        self._station.inference.start()
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Hand the job in hand back, with the runs that are stored, and close everything."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_GRACE_S)
        self._station.jails.close()
        self._station.inference.close()
        self._client.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                while not self._stop.is_set() and (self._work_once() or self._trainer.train(self._stop)):
                    pass
                self._wake.wait(timeout=WORKER_POLL_S)
        except BaseException:
            log.exception("worker_died")
            os.kill(os.getpid(), signal.SIGTERM)  # a process without its loop would look alive
            raise

    def _work_once(self) -> bool:
        """Do one job; False when there is none, or nobody to ask."""
        try:
            job = self._client.claim(Claim(worker=self.name, sandbox_mode=self.sandbox_mode))
        except ServerAway as error:
            # At the first miss the server may only be starting beside this worker.
            (log.warning if self._server_away else log.info)("server_away", error=str(error))
            self._server_away = True
            return False
        self._server_away = False
        if job is None:
            return False
        with structlog.contextvars.bound_contextvars(
            submission_id=str(job.submission_id),
            work_id=str(job.work_id),
            request_id=job.request_id,
            stage=job.stage,
        ):
            self._evaluate(job)
        return True

    def _evaluate(self, job: Job) -> None:
        started = time.monotonic()
        interrupt = threading.Event()
        beats = _Heart(self._client, job, interrupt=interrupt, stop=self._stop)
        with beats:
            evaluated = evaluate(self._station, job, interrupt=interrupt, finished=beats.add)
        if beats.lost:
            log.info("work_stopped")
            return
        answer = self._client.report(self._outcome(job, evaluated), give_up=self._stop)
        log.info(
            "work_done",
            runs=len(evaluated.finished),
            fault=evaluated.fault.code if evaluated.fault else None,
            accepted=answer.accepted if answer else None,
            wall_s=round(time.monotonic() - started, 1),
        )

    def _outcome(self, job: Job, evaluated: Evaluated) -> Outcome:
        complete = evaluated.check is not None or len(evaluated.finished) == len(job.runs)
        packages = evaluated.check.packages if evaluated.check is not None else job.packages
        return Outcome(
            work_id=job.work_id,
            token=job.token,
            sandbox_mode=self.sandbox_mode,
            finished=evaluated.finished,
            fault=evaluated.fault,
            handed_back=evaluated.fault is None and not complete,
            check=evaluated.check,
            environment=environment() | ({"packages": " ".join(packages)} if packages else {}),
        )


class _Heart:
    """Sends heartbeats in the background; sets `interrupt` when the server says stop or the process ends."""

    def __init__(self, client: WorkClient, job: Job, *, interrupt: threading.Event, stop: threading.Event) -> None:
        self.lost = False
        self._client = client
        self._job = job
        self._interrupt = interrupt
        self._stop = stop
        self._records: list[RunRecord] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def add(self, record: RunRecord) -> None:
        """Tell the server of this run with the next beat."""
        self._records.append(record)

    def _run(self) -> None:
        beat_s = min(self._job.lease_s / 4, LONGEST_BEAT_S)
        while not self._done.wait(beat_s):
            if self._stop.is_set():
                self._interrupt.set()
            try:
                answer = self._client.heartbeat(
                    Heartbeat(work_id=self._job.work_id, token=self._job.token, finished=tuple(self._records))
                )
            except ServerAway as error:
                log.warning("heartbeat_not_delivered", error=str(error))
                continue
            except ServerRefused:
                log.exception("heartbeat_refused")
                self.lost = True
            else:
                self.lost = answer.stop
            if self.lost:
                self._interrupt.set()
                return


def run_worker(settings: WorkerSettings, *, allow_unsafe: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; raises SandboxUnavailable when this machine cannot hold strangers' code."""
    require_isolation(settings, allow_unsafe=allow_unsafe)
    loop = WorkerLoop(settings, allow_unsafe=allow_unsafe)
    celery = Celery("lethe-evaluator", set_as_current=False)
    celery.conf.update(celery_configuration(settings.broker_url.get_secret_value()))
    celery.task(name=WAKE_EVALUATE_TASK)(loop.wake)

    def started(**_: object) -> None:
        loop.start()
        log.info("worker_ready", worker=loop.name, slots=settings.slots, sandbox_mode=loop.sandbox_mode)
        if settings.sandbox_backend is Backend.UNSAFE:
            log.warning("submissions_are_not_isolated", sandbox_mode=loop.sandbox_mode)

    def stopping(**_: object) -> None:
        loop.stop()

    setup_logging.connect(_leave_logs, weak=False)
    worker_ready.connect(started, weak=False)
    worker_shutting_down.connect(stopping, weak=False)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle; only JSON is accepted here
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


def _leave_logs(**_: object) -> None:
    """Keeps Celery, which asks first, from setting the level of all loggers to its own."""
