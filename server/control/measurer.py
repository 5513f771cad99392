"""Measures scored submissions in a process of its own, so that no score waits for a measure."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any

from lethe.evaluator.artifacts import ArtifactStoreAway, open_store
from lethe.evaluator.scoring.measuring import load_measuring_set
from lethe.server.context import Context
from lethe.server.logs import get_logger
from lethe.server.scoring import measuring
from lethe.server.scoring.measuring import MeasuringJob, measure_score

log = get_logger(__name__)

NICENESS = 10


@dataclass(frozen=True)
class _Answer:
    """The document of a job; or what failed, and whether that is an artifact store that may answer later."""

    document: dict[str, Any] | None
    problem: str = ""
    is_away: bool = False


class Measurer:
    """Has one job at a time done by its process, which ends when there is nothing left to measure."""

    def __init__(self, context: Context, wake: Callable[[], None]) -> None:
        self._context = context
        self._wake = wake
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._job: MeasuringJob | None = None

    def advance(self) -> bool:
        """Store what is done and begin the next job; True if there was something to store, without waiting for it."""
        if self._job is not None:
            return self._collect()
        with self._context.database.read() as session:
            job = measuring.next_job(session)
        if job is None:
            self.close()
            return False
        if job.names == ():
            self._store(job, None)
            return True
        try:
            self._begin(job)
        except OSError as error:  # it ended while it had no job, or cannot start
            log.warning("measures_put_off", score_id=str(job.score_id), error=str(error))
            self.close()
        return False

    def close(self) -> None:
        """End the process, with what it is doing."""
        if self._connection is not None and self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
        self._process = self._connection = self._job = None

    def _begin(self, job: MeasuringJob) -> None:
        if self._connection is None:
            spawning = multiprocessing.get_context("spawn")
            self._connection, theirs = spawning.Pipe()
            arguments = (theirs, self._context.settings.artifacts)
            self._process = spawning.Process(target=_serve, args=arguments, name="measures", daemon=True)
            self._process.start()
            theirs.close()
        self._job = job
        self._connection.send(job)
        Thread(target=self._wake_when_done, args=(self._connection,), name="measures-done", daemon=True).start()

    def _wake_when_done(self, connection: Connection) -> None:
        """Wake the loop when an answer can be read, or the process has ended."""
        with suppress(OSError):  # closed meanwhile
            connection.poll(None)
        self._wake()

    def _collect(self) -> bool:
        job, connection = self._job, self._connection
        assert job is not None and connection is not None  # noqa: S101, PT018 - set together
        if not connection.poll():
            return False
        try:
            answer: _Answer = connection.recv()
        except (EOFError, OSError):
            answer = _Answer(None, "the process that measures was killed")
        self._job = None
        if answer.is_away:
            log.warning("measures_put_off", score_id=str(job.score_id), error=answer.problem)
            self.close()
            return False
        if answer.document is None:
            log.error("measures_failed", score_id=str(job.score_id), error=answer.problem)
            self.close()
        self._store(job, answer.document)
        return True

    def _store(self, job: MeasuringJob, document: dict[str, Any] | None) -> None:
        with self._context.database.write() as session:
            measuring.store(session, job, document)


def _serve(connection: Connection, artifacts_url: str) -> None:
    """Do jobs until the other side is gone; the outputs of the oracles stay loaded between jobs of one split."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # control ends this process, when it ends itself
    os.nice(NICENESS)
    artifacts = open_store(artifacts_url)
    loaded_for, loaded = None, None
    while True:
        try:
            job: MeasuringJob = connection.recv()
        except EOFError:
            return
        try:
            wanted = (job.against, job.spec.metric)
            if loaded is None or loaded_for != wanted:
                loaded_for, loaded = wanted, load_measuring_set(artifacts, job.spec.metric, job.against)
            connection.send(_Answer(measure_score(artifacts, job, loaded)))
        except ArtifactStoreAway as error:
            connection.send(_Answer(None, str(error), is_away=True))
        except Exception as error:  # noqa: BLE001 - whatever fails costs the measures of one score only
            connection.send(_Answer(None, f"{type(error).__name__}: {error}"))
