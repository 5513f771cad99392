"""Renews the lease of a job from a thread of its own, and reports finished runs to the server at once."""

import threading
from contextvars import copy_context

import structlog

from lethe.evaluator.contract.work import Heartbeat, Job, RunRecord
from lethe.evaluator.worker.server_client import ServerAway, ServerRefused, WorkClient

log = structlog.stdlib.get_logger(__name__)

LONGEST_BEAT_S = 3.0  # a cancelled submission frees its worker after one beat
SHORTEST_BEAT_S = 0.5


class LeaseRenewal:
    """Sends heartbeats while it is entered; sets `interrupt` when the server says stop or `stop` is set.

    `lost`: this worker no longer has the lease.
    """

    def __init__(self, client: WorkClient, job: Job, *, interrupt: threading.Event, stop: threading.Event) -> None:
        self.lost = False
        self._client = client
        self._job = job
        self._interrupt = interrupt
        self._stop = stop
        self._records: list[RunRecord] = []
        self._beat_s = min(job.lease_s / 4, LONGEST_BEAT_S)
        self._news = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="heartbeat", daemon=True
        )  # its log lines name the job, too

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._news.set()
        self._thread.join()

    def add(self, record: RunRecord) -> None:
        """Report this run with the next heartbeat, which comes at once."""
        self._records.append(record)
        self._news.set()

    def _run(self) -> None:
        while True:
            self._done.wait(min(SHORTEST_BEAT_S, self._beat_s))
            self._news.wait(self._beat_s - min(SHORTEST_BEAT_S, self._beat_s))
            if self._done.is_set():
                return
            self._news.clear()
            if self._stop.is_set():
                self._interrupt.set()
            if self._beat():
                self.lost = True
                self._interrupt.set()
                return

    def _beat(self) -> bool:
        """Send a heartbeat; True if the lease is lost."""
        job = self._job
        newest = {record.index: record for record in self._records}  # an audited run was added twice
        try:
            answer = self._client.heartbeat(
                Heartbeat(work_id=job.work_id, token=job.token, finished=tuple(newest.values()))
            )
        except ServerAway as error:
            log.warning("heartbeat_not_delivered", error=str(error))
            return False
        except ServerRefused:
            log.exception("heartbeat_refused")
            return True
        return answer.stop
