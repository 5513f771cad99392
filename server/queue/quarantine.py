"""Quarantine: a worker that fails by its own fault at what others then do gets nothing until it passes its self-test.

Every function runs inside one transaction of its caller.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lethe.server.logs import get_logger
from lethe.server.models import Worker, WorkerFault, WorkItem
from lethe.server.models.times import utc_now
from lethe.server.queue import quarantine_queries

log = get_logger(__name__)

ITEMS = 3  # two may be one outage, which meets a worker before and after its rest
WITHIN_S = 3600.0
LEFT_TO_OTHERS_S = 900.0
"""Seconds for which an item is kept from a worker that failed at it, if others can do it: longer than a chunk takes
them, so that it is their next one. After that anybody may try, so that nothing waits for a worker that never asks."""


def note_fault(session: Session, item: WorkItem) -> None:
    """Remember that the holder of the item failed at it by a fault of its own."""
    item.faults += 1
    session.add(WorkerFault(work_item_id=item.id, worker_key_id=item.worker_key_id, worker=item.worker))


def note_done(session: Session, item: WorkItem) -> None:
    """Remember that the holder of the item did what others had failed at, and quarantine those with too many such."""
    if not item.faults:
        return
    since = utc_now() - timedelta(seconds=WITHIN_S)
    for key_id, name in quarantine_queries.note_done_elsewhere(session, item):
        count = quarantine_queries.count_done_elsewhere(session, key_id, name, since)
        # One that another transaction has locked is found again by the next item: waiting for it here could deadlock.
        worker = quarantine_queries.lock_fit_worker(session, key_id, name) if count >= ITEMS else None
        if worker is not None:
            worker.quarantined_at = utc_now()
            log.error("worker_quarantined", worker=name, items=count, within_s=WITHIN_S)


def forget_faults(session: Session, before: datetime) -> None:
    """Delete the faults before this time."""
    quarantine_queries.delete_old_faults(session, before)


def end(session: Session, worker: Worker) -> None:
    """Let a worker have work again; what it failed at before no longer counts."""
    if worker.quarantined_at is not None:
        worker.quarantined_at = None
        log.info("worker_quarantine_ended", worker=worker.name)
    quarantine_queries.delete_faults(session, worker)
