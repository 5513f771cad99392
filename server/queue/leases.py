"""The rules of leases, the same for work items and training orders: claim, renew, release, close, expire and reopen.

The token of leased work rises with every claim and release, so a former holder can change nothing any more. A holder
that fell silent may go on as long as nobody else has claimed the work. Every function runs inside one transaction of
its caller.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import platform_fault
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.states import Stage, SubmissionState
from lethe.server.database import counters
from lethe.server.lifecycle import work
from lethe.server.lifecycle.transitions import OfSubmission, OfWorkItem, Transition
from lethe.server.logs import about_submission
from lethe.server.models import Submission, WorkItem
from lethe.server.models.leased import Leased
from lethe.server.models.times import utc_now
from lethe.server.queue import queries
from lethe.server.queue.planning import fail

_BEFORE_LETHE = datetime(2026, 1, 1, tzinfo=UTC)


def claim_first(
    session: Session,
    stage: Stage,
    columns: queries.Columns,
    *,
    worker: str,
    lease_s: float,
    worker_key_id: UUID | None = None,
    sandbox_mode: str | None = None,
    **values: Any,
) -> Row[*tuple[Any, ...]] | None:
    """Lease the next item of `stage` to `worker` and return these columns of it; None when there is none.

    `values` are those of the parameters of `queries.first_waiting`.
    """
    now = utc_now()
    return work.claim_first.rows(
        session,
        queries.first_waiting.variant(stage),
        columns,
        **values,
        now=now,
        new_worker=worker,
        new_worker_key_id=worker_key_id,
        new_sandbox_mode=sandbox_mode,
        new_claimed_at=now,
        new_lease_expires_at=_end(lease_s, now),
    ).one_or_none()


def claim(
    leased: Leased, transition: Transition, *, worker: str, worker_key_id: UUID | None, lease_s: float, **fields: Any
) -> None:
    """Lease work that is locked already to `worker`; `claim_first` does the same in one statement."""
    work.move(leased, transition, worker=worker, **fields)
    leased.token += 1
    leased.worker, leased.worker_key_id = worker, worker_key_id
    leased.lease_expires_at = _end(lease_s)


def renew(leased: Leased, transition: Transition, *, lease_s: float) -> None:
    """Prolong a lease, expired or not."""
    work.move(leased, transition)
    leased.lease_expires_at = _end(lease_s)


def release(leased: Leased, transition: Transition, *, after_s: float = 0.0, **fields: Any) -> None:
    """Give work back: what its holder sent before no longer counts, and nobody gets it before `after_s` have passed."""
    work.move(leased, transition, **fields)
    leased.token += 1
    leased.lease_expires_at = None
    leased.available_at = _end(after_s) if after_s else None


def close(leased: Leased, transition: Transition, **fields: Any) -> None:
    """End work now."""
    work.move(leased, transition, **fields)
    leased.done_at = utc_now()


def expire_leases(session: Session, *, max_attempts: int) -> int:
    """Expire the leases of all items whose holders fell silent; how many there were."""
    # `expire` locks submissions in this order, in every transaction.
    items = queries.lock_expired(session, WorkItem, WorkItem.submission_id)
    for item in items:
        expire(session, item, max_attempts=max_attempts)
    return len(items)


def expire(session: Session, item: WorkItem, *, max_attempts: int) -> None:
    """Make an item whose holder is gone available again.

    An item that has lost `max_attempts` holders without a finished run is poisoned, and its submission ends.
    """
    # Locked: an end that commits meanwhile drops only what waits, and this item would wait for ever after it.
    submission = session.get_one(Submission, item.submission_id, with_for_update=True)
    item.losses += 1
    counters.add(session, counters.LEASES_EXPIRED)
    with about_submission(submission.id, submission.request_id):
        work.move(item, OfWorkItem.EXPIRED, attempt=item.attempt, worker=item.worker)
        if is_obsolete(submission, item):
            close(item, OfWorkItem.OBSOLETE)
        elif item.attempt >= max_attempts:
            close(item, OfWorkItem.POISONED, attempts=item.attempt, worker=item.worker)
            counters.add(session, counters.WORK_POISONED)
            fault = platform_fault(f"{count_text(item.attempt, 'worker')} fell silent on stage {item.stage}")
            fail(session, submission, OfSubmission.WORKERS_LOST, fault)


def take_back(session: Session, item: WorkItem) -> None:
    """Let others have an item whose holder may not go on, though not by a fault of its own."""
    submission = session.get_one(Submission, item.submission_id, with_for_update=True)
    if is_obsolete(submission, item):
        close(item, OfWorkItem.OBSOLETE)
        return
    item.attempt -= 1
    release(item, OfWorkItem.HANDED_BACK)


def is_obsolete(submission: Submission, item: WorkItem) -> bool:
    """Whether the result of the item can change nothing: its submission has ended, shown or not, or runs anew."""
    is_ended = SubmissionState(submission.state).is_terminal or submission.fault_code is not None
    return is_ended or submission.generation != item.generation


def fence_off(session: Session) -> None:
    """End all leases and raise all tokens beyond those that were given out after a backup which was restored.

    They are the seconds since `_BEFORE_LETHE`: no token rises by more than one a second.
    """
    queries.fence_off(session, int((utc_now() - _BEFORE_LETHE).total_seconds()))


def _end(lease_s: float, now: datetime | None = None) -> datetime:
    return (now or utc_now()) + timedelta(seconds=lease_s)
