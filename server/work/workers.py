"""Which workers there are: registered, heard of, idle, busy, lost or gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import WorkState
from evaluator.contract.work import Capabilities, Registration
from server.db import utc_now
from server.errors import Conflict
from server.logs import get_logger
from server.models import ModelOrder, Worker, WorkerKey, WorkItem

log = get_logger(__name__)

SILENCE_S = 60.0  # workers are heard every 3 s while they work and every 10 s while they wait


class WorkerUnknown(Conflict):
    """The worker has to register first; it does so by itself."""

    code = "worker_unknown"
    title = "Worker is not registered"


class WorkerState(StrEnum):
    """`busy` and `idle` workers are alive; a `lost` one fell silent without saying that it stops."""

    BUSY = "busy"
    IDLE = "idle"
    LOST = "lost"
    LEFT = "left"


@dataclass(frozen=True)
class WorkerRow:
    """A worker as the operator sees it; `doing` names the stage of the submission that it has in hand,
    or the oracles.
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
    """The worker's row, new or renewed."""
    worker = _find(session, key, registration.worker)
    if worker is None:
        worker = Worker(worker_key_id=key.id, name=registration.worker)
        session.add(worker)
    worker.capabilities = registration.capabilities.model_dump(mode="json")
    worker.seen_at = utc_now()
    worker.left_at = None
    log.info("worker_registered", worker=worker.name, key=key.name, sandbox_mode=registration.capabilities.sandbox_mode)
    return worker


def hear(session: Session, key: WorkerKey, name: str) -> Worker:
    """The worker that sends this request, noted as alive; raises WorkerUnknown."""
    worker = _find(session, key, name)
    if worker is None:
        raise WorkerUnknown("This worker is not registered under its key. It has to register first.")
    worker.seen_at = utc_now()
    worker.left_at = None
    return worker


def capabilities(worker: Worker) -> Capabilities:
    """What the worker can do."""
    return Capabilities.model_validate(worker.capabilities)


def leave(session: Session, key: WorkerKey, name: str) -> None:
    """Note that a worker stopped in an orderly way."""
    worker = hear(session, key, name)
    worker.left_at = utc_now()
    log.info("worker_left", worker=name)


def live_workers(session: Session) -> list[Worker]:
    """Workers that were heard lately and did not leave."""
    since = utc_now() - timedelta(seconds=SILENCE_S)
    return list(session.scalars(select(Worker).where(Worker.seen_at >= since, Worker.left_at.is_(None))))


def list_workers(session: Session, *, gone: bool = False) -> list[WorkerRow]:
    """Every worker that lives or was lost, by name; with `gone` those that left as well."""
    since = utc_now() - timedelta(seconds=SILENCE_S)
    holds = and_(
        WorkItem.worker_key_id == Worker.worker_key_id,
        WorkItem.worker == Worker.name,
        WorkItem.state == WorkState.LEASED,
    )
    trains = and_(
        ModelOrder.worker_key_id == Worker.worker_key_id,
        ModelOrder.holder == Worker.name,
        ModelOrder.state == WorkState.LEASED,
        ModelOrder.lease_expires_at >= utc_now(),
    )
    training = select(func.count()).select_from(ModelOrder).where(trains).correlate(Worker).scalar_subquery()
    rows = session.execute(
        select(Worker, WorkerKey.name, WorkItem, training)
        .join(WorkerKey, WorkerKey.id == Worker.worker_key_id)
        .outerjoin(WorkItem, holds)
        .order_by(Worker.name, WorkerKey.name)
    )
    found = [_row(worker, key, item, models, since) for worker, key, item, models in rows]
    return [row for row in found if gone or row.state is not WorkerState.LEFT]


def _row(worker: Worker, key: str, item: WorkItem | None, models: int, since: datetime) -> WorkerRow:
    doing = None if item is None else item.stage
    if doing is None and models:
        doing = f"training {models} oracle{'s' if models > 1 else ''}"
    state = WorkerState.IDLE if doing is None else WorkerState.BUSY
    if worker.left_at is not None:
        state = WorkerState.LEFT
    elif worker.seen_at < since:
        state = WorkerState.LOST
    return WorkerRow(
        name=worker.name,
        key=key,
        state=state,
        doing=doing,
        submission_id=None if item is None else item.submission_id,
        seen_at=worker.seen_at,
        registered_at=worker.created_at,
        capabilities=capabilities(worker),
    )


def _find(session: Session, key: WorkerKey, name: str) -> Worker | None:
    return session.scalar(select(Worker).where(Worker.worker_key_id == key.id, Worker.name == name))
