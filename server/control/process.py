"""The control process: a Celery worker whose messages wake one loop, which sweeps, scores and draws plots."""

import os
import signal
import socket
import threading
import time
import warnings
from contextlib import suppress

from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_shutting_down
from sqlalchemy.exc import DBAPIError

from lethe.evaluator.artifacts import ArtifactError
from lethe.evaluator.contract.tasks import CONTROL_QUEUE, WAKE_CONTROL_TASK
from lethe.evaluator.scoring.reference_set import ReferenceSets
from lethe.server.broker.wake_ups import create_celery
from lethe.server.context import create_context
from lethe.server.control.mailer import OutboxSender, tell_closings
from lethe.server.control.measurer import Measurer
from lethe.server.control.overview_plotting import Overviews
from lethe.server.control.submission_plotting import Plotter
from lethe.server.control.sweeper import give_back_lease, sweep
from lethe.server.hosting.unfinished_creations import remove_leftovers
from lethe.server.logs import get_logger
from lethe.server.mail import sending as mails
from lethe.server.scoring.scorer import Scorer
from lethe.server.settings import Settings
from lethe.server.webhooks import sending as webhooks

log = get_logger(__name__)

WEBHOOK_THREADS = 4
"""So many receivers may be slow at a time before others wait for them."""


class ControlLoop:
    """Sweeps every `sweep_s` seconds and scores waiting submissions, one at a time; in between draws and measures."""

    def __init__(self, settings: Settings) -> None:
        self._context = create_context(settings)
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        reference_sets = ReferenceSets(self._context.artifacts)
        self._scorer = Scorer(self._context, self._holder, reference_sets)
        self._plotter = Plotter(self._context, reference_sets)
        self._overviews = Overviews(self._context)
        self._wake = threading.Event()
        self._measurer = Measurer(self._context, self.wake)
        self._senders = [OutboxSender(self._context, "webhooks", webhooks.send_next, threads=WEBHOOK_THREADS)]
        if settings.mail_server is not None:
            self._senders.append(OutboxSender(self._context, "mails", mails.send_next))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()
        for sender in self._senders:
            sender.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """End after the item in hand."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=60)
        for sender in self._senders:
            sender.stop()
        self._measurer.close()

    def _run(self) -> None:
        try:
            self._serve()
            with suppress(DBAPIError):  # the lease ends by itself, later
                give_back_lease(self._context, self._holder)
        except BaseException:
            log.exception("control_died")
            os.kill(os.getpid(), signal.SIGTERM)  # a process without its loop would look alive
            raise

    def _serve(self) -> None:
        next_sweep = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= next_sweep:
                    self._sweep()
                    next_sweep = time.monotonic() + self._context.settings.sweep_s
                while not self._stop.is_set() and self._work():
                    pass
            except DBAPIError as error:
                log.warning("database_unavailable", error=str(error))
                self._stop.wait(2)
            self._wake.wait(timeout=max(0.1, next_sweep - time.monotonic()))

    def _sweep(self) -> None:
        """Sweep, and remove what creations of competitions have left that died."""
        if sweep(self._context, self._holder):
            tell_closings(self._context)
            mails.drop_stale(self._context)
            webhooks.drop_old(self._context)
            try:
                remove_leftovers(self._context)
            except ArtifactError as error:
                log.warning("leftovers_not_removed", error=str(error))

    def _work(self) -> bool:
        """Score a waiting submission; if there is none, draw a plot or store measures. False when all is done."""
        return (
            self._scorer.score_next()
            or self._plotter.draw_next()
            or self._overviews.draw_next()
            or self._measurer.advance()
        )


def run_control(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Messages only wake the loop; SQL says what there is to do."""
    loop = ControlLoop(settings)
    celery = create_celery(settings.broker)
    celery.task(name=WAKE_CONTROL_TASK)(loop.wake)

    def stopping(**_: object) -> None:
        loop.stop()

    setup_logging.connect(_leave_logs, weak=False)
    celery_worker.safe_say = _log_words
    worker_shutting_down.connect(stopping, weak=False)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # about root and pickle; only JSON is accepted here
    loop.start()  # without waiting for the broker: its messages only save the wait until the next sweep
    log.info("control_ready")
    celery.Worker(
        queues=[CONTROL_QUEUE],
        pool="solo",
        hostname=f"control-{os.getpid()}@{socket.gethostname()}",
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
    ).start()


def _log_words(text: str, *_: object) -> None:
    """Log what Celery would print past the log, such as that it shuts down."""
    log.info("celery_says", text=text)


def _leave_logs(**_: object) -> None:
    """Keep Celery, which asks first, from setting the level of all loggers to its own."""
