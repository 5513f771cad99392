"""Leases of work items: given, prolonged, given back, and found again when their holder is lost.

The token of an item rises with each lease, so whoever held it before can change nothing any more. A holder that fell
silent is forgiven as long as nobody else took the item. Every function runs inside one transaction of its caller.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, SQLColumnExpression, bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from evaluator.contract.faults import Fault, platform_fault
from evaluator.contract.states import Owner, Stage, SubmissionState, WorkState
from server.competitions.service import specification
from server.database import counters
from server.lifecycle.endings import UNCHECKED, end
from server.logs import get_logger
from server.models import Competition, Submission, WorkItem
from server.models.times import utc_now
from server.queue.planning import hold_back_end

log = get_logger(__name__)


def lease_first(
    session: Session,
    choice: Select[UUID],
    told: tuple[SQLColumnExpression[Any], ...],
    places: Mapping[str, Any],
    *,
    worker: str,
    lease_s: float,
    worker_key_id: UUID | None = None,
    sandbox_mode: str | None = None,
) -> Row[*tuple[Any, ...]] | None:
    """Give the item that `choice` locks to `worker` until the lease runs out, and tell these columns of it, as they are
    then; None when there is none.

    Its token fences off the holder before.
    """
    session.flush()
    now = utc_now()
    values = {
        "new_worker": worker,
        "new_worker_key_id": worker_key_id,
        "new_sandbox_mode": sandbox_mode,
        "new_claimed_at": now,
        "new_lease_expires_at": now + timedelta(seconds=lease_s),
    }
    return session.connection().execute(_lease(choice, told), {**places, **values}).one_or_none()


@cache  # making a statement costs as much time as PostgreSQL takes for it
def _lease(choice: Select[UUID], told: tuple[SQLColumnExpression[Any], ...]) -> ReturningUpdate[*tuple[Any, ...]]:
    given = ("worker", "worker_key_id", "sandbox_mode", "claimed_at", "lease_expires_at")
    return (
        update(WorkItem)
        .where(WorkItem.id == choice.scalar_subquery())
        .values(state=WorkState.LEASED, attempt=WorkItem.attempt + 1, token=WorkItem.token + 1)
        .values({name: bindparam(f"new_{name}") for name in given})
        .returning(*told)
    )


def postpone(item: WorkItem, seconds: float) -> None:
    """Nobody gets `item` before `seconds` have passed: a passing fault gets time to pass."""
    item.state = WorkState.LEASED
    item.token += 1
    item.worker_key_id = item.worker = None
    item.lease_expires_at = utc_now() + timedelta(seconds=seconds)


def fail(session: Session, submission: Submission, fault: Fault) -> None:
    """End `submission` with `fault`, which came up in the stage of its state.

    The end by a fault of its own on hidden data waits for the clock, as a score does: until then it is being scored.
    """
    submission.owner = fault.owner
    submission.fault_stage = Stage.CHECK if submission.state in UNCHECKED else Stage.RUN
    submission.fault_code = fault.code
    submission.fault_line = fault.line
    submission.fault_message = fault.message
    log.info("submission_failed", submission_id=str(submission.id), code=fault.code, owner=fault.owner)
    is_own = submission.fault_stage == Stage.RUN and fault.owner == Owner.PARTICIPANT
    if is_own and hold_back_end(
        session, submission, specification(session.get_one(Competition, submission.competition_id))
    ):
        return
    end(session, submission, SubmissionState.FAILED)


def expire_leases(session: Session, *, max_attempts: int) -> int:
    """Free items whose holder fell silent; one that lost `max_attempts` holders in a row poisons its submission."""
    items = session.scalars(
        select(WorkItem)
        .where(WorkItem.state == WorkState.LEASED, WorkItem.lease_expires_at < utc_now())
        .order_by(WorkItem.submission_id)  # so are submissions locked by `lose`, in every transaction in this order
        .with_for_update(skip_locked=True)
    ).all()
    for item in items:
        if item.worker is None:
            item.state = WorkState.READY  # it was postponed, nobody held it
        else:
            expire_lease(session, item, max_attempts=max_attempts)
    return len(items)


def expire_lease(session: Session, item: WorkItem, *, max_attempts: int) -> None:
    """The holder of `item` is gone: others may take it, unless it was `max_attempts` holders without a finished run."""
    # Locked: an end that commits meanwhile drops only what waits, and this item would wait for ever after it.
    submission = session.get_one(Submission, item.submission_id, with_for_update=True)
    item.losses += 1
    counters.add(session, counters.LEASES_EXPIRED)
    fields = {"submission_id": str(submission.id), "stage": item.stage, "chunk": item.chunk, "worker": item.worker}
    log.warning("lease_lost", attempt=item.attempt, **fields)
    if is_obsolete(submission, item):
        close(item, WorkState.FAILED)
    elif item.attempt < max_attempts:
        item.state = WorkState.READY
    else:
        close(item, WorkState.POISONED)
        counters.add(session, counters.WORK_POISONED)
        log.error("work_poisoned", attempts=item.attempt, **fields)
        fail(session, submission, platform_fault(f"{item.attempt} workers fell silent on stage {item.stage}"))


def is_obsolete(submission: Submission, item: WorkItem) -> bool:
    """Whether the item is of no use any more; that of an end which waits to be shown is not, either."""
    is_ended = SubmissionState(submission.state).is_terminal or submission.fault_code is not None
    return is_ended or submission.generation != item.generation


def release(item: WorkItem) -> None:
    """Give `item` back in such a way that nothing which its holder sent before counts any more."""
    item.state = WorkState.READY
    item.token += 1


def close(item: WorkItem, state: WorkState) -> None:
    """Close `item` now."""
    item.state = state
    item.done_at = utc_now()
