"""SQL of workers and their keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, delete, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from lethe.evaluator.contract.states import WorkState
from lethe.server.database.statements import prepared
from lethe.server.models import Competition, ModelOrder, Worker, WorkerKey, WorkItem
from lethe.server.models.times import utc_now

# Workers


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
        .returning(Worker.worker_key_id, Worker.capabilities)
    )


def note_leaving(session: Session, worker_key_id: UUID, name: str) -> None:
    """Note that the worker of this key and name leaves now."""
    session.execute(
        update(Worker)
        .where(Worker.worker_key_id == worker_key_id, Worker.name == name)
        .values(left_at=utc_now())
        .execution_options(synchronize_session=False)
    )


def delete_silent(session: Session, before: datetime) -> None:
    """Delete the workers whose last contact was before this time."""
    session.execute(delete(Worker).where(Worker.seen_at < before).execution_options(synchronize_session=False))


def count_live(session: Session, since: datetime) -> int:
    """Return how many workers were in contact since this time and did not leave."""
    return session.scalar(select(func.count()).where(Worker.seen_at >= since, Worker.left_at.is_(None))) or 0


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
    """Return what was prepared for the newest competition, or None before the first."""
    return session.scalar(select(Competition.prepared).order_by(Competition.created_at.desc()).limit(1))


# Worker keys


def find_worker_key(session: Session, name: str) -> WorkerKey | None:
    """Return the worker key of this name, or None."""
    return session.scalar(select(WorkerKey).where(WorkerKey.name == name))


def worker_key_names(session: Session) -> Sequence[str]:
    """Return the names of all worker keys, sorted."""
    return session.scalars(select(WorkerKey.name).order_by(WorkerKey.name)).all()
