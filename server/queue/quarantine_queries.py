"""SQL of the faults of workers: what is kept from a worker that failed at it, and what speaks for a quarantine."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, not_, or_, select, update
from sqlalchemy.orm import Session, aliased

from lethe.evaluator.contract.states import Stage
from lethe.server.database.statements import constant
from lethe.server.models import Competition, Worker, WorkerFault, WorkItem
from lethe.server.models.times import UtcDateTime, utc_now
from lethe.server.queue.worker_queries import needed_bytes, needs_gpu, takes_work


def is_left_to_others(item: type[WorkItem], stage: Stage) -> ColumnElement[bool]:
    """The condition that the worker `of_worker` of the key `of_worker_key` failed at the item after `failed_since`,
    while another worker that was seen after `seen_since` can do it and has not failed at it.
    """
    fault, theirs = aliased(WorkerFault), aliased(WorkerFault)
    other, competition = aliased(Worker), aliased(Competition)
    own = select(fault.id).where(
        fault.work_item_id == item.id,
        fault.worker_key_id == bindparam("of_worker_key"),
        fault.worker == bindparam("of_worker"),
        fault.created_at > bindparam("failed_since", type_=UtcDateTime()),
    )
    failed_too = select(theirs.id).where(
        theirs.work_item_id == item.id, theirs.worker_key_id == other.worker_key_id, theirs.worker == other.name
    )
    only, gpu = other.capabilities["only"].as_string(), other.capabilities["gpu"].as_string()
    others = select(other.id).where(
        takes_work(other, bindparam("seen_since", type_=UtcDateTime())),
        or_(other.worker_key_id != bindparam("of_worker_key"), other.name != bindparam("of_worker")),
        competition.id == item.competition_id,
        other.capabilities["memory_bytes"].as_float() >= needed_bytes(competition),
        or_(gpu.is_not(None), not_(needs_gpu(competition))),
        or_(only.is_(None), only == constant(stage)),
        ~failed_too.correlate(item, other).exists(),
    )
    return and_(own.correlate(item).exists(), others.correlate(item).exists())


def note_done_elsewhere(session: Session, item: WorkItem) -> list[tuple[UUID, str]]:
    """Note that the item's holder did what others had failed at, and return key and name of those others."""
    now = utc_now()
    is_others = or_(WorkerFault.worker_key_id != item.worker_key_id, WorkerFault.worker != item.worker)
    found = session.execute(
        update(WorkerFault)
        .where(WorkerFault.work_item_id == item.id, WorkerFault.done_elsewhere_at.is_(None), is_others)
        .values(done_elsewhere_at=now)
        .returning(WorkerFault.worker_key_id, WorkerFault.worker)
        .execution_options(synchronize_session=False)
    )
    return sorted({(row.worker_key_id, row.worker) for row in found}, key=str)


def count_done_elsewhere(session: Session, worker_key_id: UUID, worker: str, since: datetime) -> int:
    """Return at how many items this worker failed after this time that others did."""
    items = func.count(WorkerFault.work_item_id.distinct())
    return (
        session.scalar(
            select(items).where(
                WorkerFault.worker_key_id == worker_key_id,
                WorkerFault.worker == worker,
                WorkerFault.created_at > since,
                WorkerFault.done_elsewhere_at.is_not(None),
            )
        )
        or 0
    )


def lock_fit_worker(session: Session, worker_key_id: UUID, name: str) -> Worker | None:
    """Return the worker, locked, unless it is in quarantine, unknown or locked by another transaction now."""
    return session.scalar(
        select(Worker)
        .where(Worker.worker_key_id == worker_key_id, Worker.name == name, Worker.quarantined_at.is_(None))
        .with_for_update(skip_locked=True)
    )


def delete_faults(session: Session, worker: Worker) -> None:
    """Delete what speaks against a worker."""
    _delete_faults(session, WorkerFault.worker_key_id == worker.worker_key_id, WorkerFault.worker == worker.name)


def delete_old_faults(session: Session, before: datetime) -> None:
    """Delete the faults before this time."""
    _delete_faults(session, WorkerFault.created_at < before)


def _delete_faults(session: Session, *conditions: ColumnElement[bool]) -> None:
    session.execute(delete(WorkerFault).where(*conditions).execution_options(synchronize_session=False))
