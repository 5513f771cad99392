"""SQL of workers and their keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, false, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from lethe.evaluator.contract.states import WorkState
from lethe.server.database.statements import prepared
from lethe.server.models import Admission, Competition, ModelOrder, Worker, WorkerKey, WorkItem
from lethe.server.models.times import utc_now

# Workers


def needs_gpu(competition: type[Competition]) -> ColumnElement[bool]:
    """The condition that runs of the competition need a GPU."""
    return func.coalesce(competition.specification["evaluation"]["gpu"].as_boolean(), false())


def needed_bytes(competition: type[Competition]) -> ColumnElement[float]:
    """The memory that a run of the competition may take."""
    found: ColumnElement[float] = competition.specification["limits"]["memory_bytes"].as_float()
    return found


def takes_work(worker: type[Worker], since: Any) -> ColumnElement[bool]:
    """The condition that the worker was in contact since this time, did not leave, and may get work."""
    return and_(
        worker.seen_at >= since,
        worker.left_at.is_(None),
        worker.quarantined_at.is_(None),
        worker.admission == Admission.OPEN,
    )


def find_worker(session: Session, key: WorkerKey, name: str) -> Worker | None:
    """Return the worker of this name under the key, or None."""
    return session.scalar(select(Worker).where(Worker.worker_key_id == key.id, Worker.name == name))


@prepared
def note_contact() -> ReturningUpdate[UUID, dict[str, Any]]:
    """Note that the worker `worker` of the key `key_digest` is alive at `now`."""
    key_id = select(WorkerKey.id).where(WorkerKey.digest == bindparam("key_digest")).scalar_subquery()
    return (
        update(Worker)
        .where(Worker.worker_key_id == key_id, Worker.name == bindparam("worker"))
        .values(seen_at=bindparam("now"), left_at=None)
        .returning(Worker.worker_key_id, Worker.capabilities, Worker.admission, Worker.quarantined_at)
    )


def note_leaving(session: Session, worker_key_id: UUID, name: str) -> None:
    """Note that the worker of this key and name leaves now."""
    session.execute(
        update(Worker)
        .where(Worker.worker_key_id == worker_key_id, Worker.name == name)
        .values(left_at=utc_now())
        .execution_options(synchronize_session=False)
    )


def lock_workers(session: Session, name: str) -> Sequence[Worker]:
    """Return the workers of this name under all keys, locked."""
    return session.scalars(select(Worker).where(Worker.name == name).order_by(Worker.id).with_for_update()).all()


def worker_names(session: Session) -> Sequence[str]:
    """Return the names of all workers, sorted."""
    return session.scalars(select(Worker.name).order_by(Worker.name)).all()


def workers_of_key(session: Session, key_id: UUID) -> Sequence[Worker]:
    """Return the workers that registered under this key, by name."""
    return session.scalars(select(Worker).where(Worker.worker_key_id == key_id).order_by(Worker.name)).all()


def delete_silent(session: Session, before: datetime) -> None:
    """Delete the workers whose last contact was before this time, but those that the operator drained or disabled."""
    silent = delete(Worker).where(Worker.seen_at < before, Worker.admission == Admission.OPEN)
    session.execute(silent.execution_options(synchronize_session=False))


def count_live(session: Session, since: datetime) -> int:
    """Return how many workers that may get work were in contact since this time."""
    return session.scalar(select(func.count()).where(takes_work(Worker, since))) or 0


def workers_with_work(session: Session) -> Sequence[Row[Worker, str, WorkItem, int]]:
    """Return each worker with its key's name, the item that it has in hand (or None) and how many models it trains.

    They are sorted by name.
    """
    holds = and_(
        WorkItem.worker_key_id == Worker.worker_key_id,
        WorkItem.worker == Worker.name,
        WorkItem.state == WorkState.LEASED,
    )
    trains = and_(
        ModelOrder.worker_key_id == Worker.worker_key_id,
        ModelOrder.worker == Worker.name,
        ModelOrder.state == WorkState.LEASED,
        ModelOrder.lease_expires_at >= utc_now(),
    )
    training = select(func.count()).select_from(ModelOrder).where(trains).correlate(Worker).scalar_subquery()
    return session.execute(
        select(Worker, WorkerKey.name, WorkItem, training)
        .join(WorkerKey, WorkerKey.id == Worker.worker_key_id)
        .outerjoin(WorkItem, holds)
        .order_by(Worker.name, WorkerKey.name)
    ).all()


def newest_prepared(session: Session) -> dict[str, Any] | None:
    """Return what was prepared for the newest competition that is still stored, or None if there is none."""
    stored = select(Competition.prepared).where(Competition.photographs_deleted_at.is_(None))
    return session.scalar(stored.order_by(Competition.created_at.desc()).limit(1))


# Worker keys


def delete_worker_key(session: Session, key: WorkerKey) -> None:
    """Delete a key with its workers; what they did stays, with their names."""
    for kind in (WorkItem, ModelOrder):
        session.execute(
            update(kind)
            .where(kind.worker_key_id == key.id)
            .values(worker_key_id=None)
            .execution_options(synchronize_session=False)
        )
    session.execute(delete(Worker).where(Worker.worker_key_id == key.id).execution_options(synchronize_session=False))
    session.delete(key)


def list_worker_keys(session: Session) -> Sequence[Row[WorkerKey, int, datetime | None]]:
    """Return every key with the number of its workers and when the last of them called, by name."""
    return session.execute(
        select(WorkerKey, func.count(Worker.id), func.max(Worker.seen_at))
        .outerjoin(Worker, Worker.worker_key_id == WorkerKey.id)
        .group_by(WorkerKey.id)
        .order_by(WorkerKey.name)
    ).all()


def find_worker_key(session: Session, name: str) -> WorkerKey | None:
    """Return the worker key of this name, or None."""
    return session.scalar(select(WorkerKey).where(WorkerKey.name == name))


def worker_key_names(session: Session) -> Sequence[str]:
    """Return the names of all worker keys, sorted."""
    return session.scalars(select(WorkerKey.name).order_by(WorkerKey.name)).all()
