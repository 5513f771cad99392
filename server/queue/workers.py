"""Workers and their states: registered, in contact, idle, busy, lost or gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.work import UNSAFE_BACKEND, Capabilities, Registration
from lethe.server.errors import Conflict, Forbidden
from lethe.server.logs import get_logger
from lethe.server.models import Admission, Worker, WorkerKey, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import quarantine, worker_queries
from lethe.server.security.credentials import require_worker_key

log = get_logger(__name__)

SILENCE_S = 60.0  # workers call every 3 s while they work and every 10 s while they wait
NOTED_S = 5.0  # a contact this recent need not be noted again
FORGOTTEN_S = 24 * 3600.0  # a worker that is silent this long was taken away; if it comes back, it registers itself


class WorkerUnknown(Conflict):
    """The worker has to register first, which it does by itself."""

    code = "worker_unknown"
    title = "Worker is not registered"


class UnsafeWorker(Forbidden):
    """A worker that isolates nothing asked a server that gives no submissions to such workers."""

    code = "unsafe_worker"
    title = "Worker isolates nothing"


class WorkerDisabled(Forbidden):
    """The operator lets this worker do nothing."""

    code = "worker_disabled"
    title = "Worker is disabled"


class WorkerQuarantined(Conflict):
    """The worker gets nothing until it passes its self-test, which it runs by itself when it is told so."""

    code = "worker_quarantined"
    title = "Worker is in quarantine"


class WorkerState(StrEnum):
    """`busy`, `idle` and `drained` workers are alive, and a `drained` one may still have work in hand; a `lost` one
    fell silent without leaving. `quarantined` and `disabled` ones get nothing, alive or not.
    """

    BUSY = "busy"
    IDLE = "idle"
    DRAINED = "drained"
    QUARANTINED = "quarantined"
    DISABLED = "disabled"
    LOST = "lost"
    LEFT = "left"


@dataclass(frozen=True)
class ActiveWorker:
    """A worker that sends a request."""

    name: str
    worker_key_id: UUID
    capabilities: Capabilities
    admission: Admission
    is_quarantined: bool

    @classmethod
    def of(cls, row: Any, name: str) -> "ActiveWorker":
        """The worker of a row with these columns of `Worker`."""
        return cls(
            name=name,
            worker_key_id=row.worker_key_id,
            capabilities=_capabilities(row.capabilities),
            admission=Admission(row.admission),
            is_quarantined=row.quarantined_at is not None,
        )

    def may_work(self) -> bool:
        """Whether it may claim work; False for a drained worker. Raises WorkerDisabled and WorkerQuarantined."""
        _require_enabled(self.name, self.admission)
        if self.is_quarantined:
            raise WorkerQuarantined(
                "This worker failed by faults of its own at work that others then did. It gets more when it has passed "
                "its self-test."
            )
        return self.admission is Admission.OPEN

    def can(self, *, memory_bytes: float, needs_gpu: bool) -> bool:
        """Whether it can do runs with these needs."""
        return memory_bytes <= self.capabilities.memory_bytes and (self.capabilities.gpu is not None or not needs_gpu)


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the operator sees it; `doing` is the stage of the submission that it has in hand, or says that it
    trains oracles.
    """

    name: str
    key: str
    state: WorkerState
    doing: str | None
    submission_id: UUID | None
    seen_at: datetime
    registered_at: datetime
    capabilities: Capabilities

    def as_json(self) -> dict[str, Any]:
        """The row for programs."""
        return {
            "name": self.name,
            "key": self.key,
            "state": self.state,
            "doing": self.doing,
            "submission_id": None if self.submission_id is None else str(self.submission_id),
            "seen_at": self.seen_at.isoformat(),
            "registered_at": self.registered_at.isoformat(),
            "capabilities": self.capabilities.model_dump(mode="json"),
        }


def register(session: Session, registration: Registration, key: WorkerKey) -> Worker:
    """The worker's row, new or renewed; a passed self-test ends its quarantine. Raises WorkerDisabled."""
    worker = worker_queries.find_worker(session, key, registration.worker)
    if worker is None:
        worker = Worker(worker_key_id=key.id, name=registration.worker)
        session.add(worker)
    else:
        _require_enabled(worker.name, worker.admission)
    if registration.passed_self_test and worker.quarantined_at is not None:
        quarantine.end(session, worker)
    worker.capabilities = registration.capabilities.model_dump(mode="json")
    worker.seen_at = utc_now()
    worker.left_at = None
    log.info("worker_registered", worker=worker.name, key=key.name, sandbox_mode=registration.capabilities.sandbox_mode)
    return worker


def record_contact(session: Session, key_digest: str, name: str) -> ActiveWorker:
    """Note that the worker which sends this request is alive; raises WorkerKeyInvalid and WorkerUnknown."""
    found = worker_queries.note_contact.rows(session, key_digest=key_digest, worker=name, now=utc_now()).one_or_none()
    if found is None:
        require_worker_key(session, key_digest)
        raise WorkerUnknown("This worker is not registered under its key. It has to register first.")
    return ActiveWorker.of(found, name)


def _require_enabled(name: str, admission: str) -> None:
    if admission == Admission.DISABLED:
        raise WorkerDisabled(
            f"The operator has disabled this worker. To let it work again: lethe admin worker enable {name}"
        )


def is_contact_recent(seen_at: datetime, left_at: datetime | None) -> bool:
    """Whether the row says already that this worker is alive."""
    return left_at is None and utc_now() - seen_at < timedelta(seconds=NOTED_S)


def require_isolation(capabilities: Capabilities, server_backend: str) -> None:
    """Raise UnsafeWorker unless the worker isolates submissions or the server, too, is set to the unsafe backend."""
    if not capabilities.isolates and server_backend != UNSAFE_BACKEND:
        raise UnsafeWorker(
            f"This worker isolates nothing ({capabilities.sandbox_mode}). Unset its LETHE_SANDBOX_BACKEND; or, to "
            f"develop, set LETHE_SANDBOX_BACKEND={UNSAFE_BACKEND} on the server as well."
        )


def leave(session: Session, key_digest: str, name: str) -> None:
    """Note that a worker stopped in an orderly way; raises WorkerKeyInvalid and WorkerUnknown."""
    active = record_contact(session, key_digest, name)
    worker_queries.note_leaving(session, active.worker_key_id, name)
    log.info("worker_left", worker=name)


def _capabilities(stored: dict[str, Any]) -> Capabilities:
    return Capabilities.model_validate(stored)


def delete_silent(session: Session) -> None:
    """Drop workers that were silent for a day, so that the list of lost workers is news, and faults as old."""
    before = utc_now() - timedelta(seconds=FORGOTTEN_S)
    worker_queries.delete_silent(session, before)
    quarantine.forget_faults(session, before)


def count_live(session: Session) -> int:
    """Return how many workers that may get work were in contact lately."""
    since = utc_now() - timedelta(seconds=SILENCE_S)
    return worker_queries.count_live(session, since)


def list_workers(session: Session, *, gone: bool = False) -> list[WorkerRow]:
    """Return every worker that is alive, was lost in the last day or gets nothing, by name; with `gone` also those that
    left.
    """
    since = utc_now() - timedelta(seconds=SILENCE_S)
    rows = worker_queries.workers_with_work(session)
    found = [_row(worker, key, item, models, since) for worker, key, item, models in rows]
    return [row for row in found if gone or row.state is not WorkerState.LEFT]


def _row(worker: Worker, key: str, item: WorkItem | None, models: int, since: datetime) -> WorkerRow:
    doing = None if item is None else item.stage
    if doing is None and models:
        doing = f"training {models} oracle{'s' if models > 1 else ''}"
    return WorkerRow(
        name=worker.name,
        key=key,
        state=_state(worker, since, is_busy=doing is not None),
        doing=doing,
        submission_id=None if item is None else item.submission_id,
        seen_at=worker.seen_at,
        registered_at=worker.created_at,
        capabilities=_capabilities(worker.capabilities),
    )


def _state(worker: Worker, since: datetime, *, is_busy: bool) -> WorkerState:
    if worker.admission == Admission.DISABLED:
        return WorkerState.DISABLED
    if worker.quarantined_at is not None:
        return WorkerState.QUARANTINED
    if worker.left_at is not None:
        return WorkerState.LEFT
    if worker.seen_at < since:
        return WorkerState.LOST
    if worker.admission == Admission.DRAINED:
        return WorkerState.DRAINED
    return WorkerState.BUSY if is_busy else WorkerState.IDLE
