"""The life of leased work: its state, and the statements of the calls that workers make most often.

Every function runs inside one transaction of its caller. The rules of leases are in `lethe.server.queue.leases`.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Update,
    and_,
    bindparam,
    func,
    inspect,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from lethe.evaluator.contract.states import OPEN_WORK_STATES, Stage, SubmissionState, WorkState
from lethe.server.database.statements import constant, prepared
from lethe.server.lifecycle.transitions import OfWorkItem, Transition
from lethe.server.logs import get_logger
from lethe.server.models import ModelOrder, Submission, WorkItem
from lethe.server.models.leased import Leased
from lethe.server.models.times import UtcDateTime

log = get_logger(__name__)

OPEN = tuple(constant(state) for state in sorted(OPEN_WORK_STATES))


def waits(work: type[Leased]) -> ColumnElement[bool]:
    """The condition that nobody has the work and that it is available at the parameter `now`."""
    now = bindparam("now", type_=UtcDateTime())
    is_available = or_(work.available_at.is_(None), work.available_at <= now)
    return and_(work.state == constant(WorkState.READY), is_available)


def move(work: Leased, transition: Transition, **fields: Any) -> None:
    """Put `work` into the target of `transition`; raises IllegalTransition. `fields` are logged with its event."""
    work.state = transition.target(work.state)
    log.log(transition.level, transition.event, **_names(work), **fields)


def _names(work: Leased) -> dict[str, Any]:
    """What a log event says of the work."""
    if isinstance(work, WorkItem):
        return {"submission_id": str(work.submission_id), "stage": work.stage, "chunk": work.chunk}
    if isinstance(work, ModelOrder):
        return {"bank": work.bank_digest[:12], "index": work.model_index}
    raise TypeError(type(work))


@prepared
def claim_first(
    choice: Select[Any], columns: tuple[SQLColumnExpression[Any], ...]
) -> ReturningUpdate[*tuple[Any, ...]]:
    """Lease the item that `choice` locks to `new_worker` and return these columns of it, as they are then.

    The item's token fences off the holder before.
    """
    given = ("worker", "worker_key_id", "sandbox_mode", "claimed_at", "lease_expires_at")
    (target,) = OfWorkItem.CLAIMED.targets
    return (
        update(WorkItem)
        .where(WorkItem.id == choice.scalar_subquery())
        .values(state=target, attempt=WorkItem.attempt + 1, token=WorkItem.token + 1)
        .values({name: bindparam(f"new_{name}") for name in given})
        .returning(*columns)
    )


def write_item(session: Session, item: WorkItem) -> bool:
    """Write what changed in `item`, which leaves the session, and say whether others of its stage are still open.

    The answer is reliable: the submission is locked already, so its other outcomes are either seen or yet to come.
    """
    status = inspect(item)
    changes = {name: getattr(item, name) for name in set(status.mapper.column_attrs.keys()) - status.unmodified}
    session.expunge(item)
    values = {f"new_{name}": value for name, value in changes.items()} | {
        "item_id": item.id,
        "of_submission": item.submission_id,
        "of_generation": item.generation,
        "of_stage": item.stage,
    }
    return bool(_write_changes.rows(session, frozenset(changes), **values).scalar_one())


@prepared
def _write_changes(changed: frozenset[str]) -> ReturningUpdate[bool]:
    other = aliased(WorkItem)
    # Parameters, because SQLite takes a column of `work_items` in here for the alias's own.
    last_open = (
        select(other.id)
        .where(
            other.submission_id == bindparam("of_submission"),
            other.generation == bindparam("of_generation"),
            other.stage == bindparam("of_stage"),
            other.state.in_(OPEN),
            other.id != bindparam("item_id"),
        )
        .order_by(other.chunk.desc())  # the first are done first
        .limit(literal_column("1"))
    )
    return (
        update(WorkItem)
        .where(WorkItem.id == bindparam("item_id"))
        .values({name: bindparam(f"new_{name}") for name in changed})
        .returning(last_open.scalar_subquery().is_not(None).label("is_open"))
    )


@prepared
def _drop_waiting() -> Update:
    (source,), (target,) = OfWorkItem.DROPPED.sources, OfWorkItem.DROPPED.targets
    return (
        update(WorkItem)
        .where(WorkItem.submission_id == bindparam("of_submission"), WorkItem.state == constant(WorkState(source)))
        .values(state=target)
    )


def drop_waiting(session: Session, submission: Submission) -> None:
    """Take the items of a submission that ends out of the queue, as far as nobody has them."""
    dropped = _drop_waiting.rows(session, of_submission=submission.id).rowcount
    if dropped:
        log.log(OfWorkItem.DROPPED.level, OfWorkItem.DROPPED.event, submission_id=str(submission.id), items=dropped)


def runs_stored(session: Session, submission: Submission) -> int:
    """Return how many runs of the submission's generation are finished and stored."""
    return _runs_stored(session, Submission.id == submission.id)


def machine_seconds(session: Session, submission: Submission) -> dict[str, float]:
    """Return the seconds by stage from the last claim to the end of each ended item of the submission's generation."""
    rows = session.execute(
        select(WorkItem.stage, WorkItem.claimed_at, WorkItem.done_at).where(
            WorkItem.submission_id == submission.id,
            WorkItem.generation == submission.generation,
        )
    )
    seconds: dict[str, float] = {}
    for stage, claimed_at, done_at in rows:
        if claimed_at is not None and done_at is not None:
            seconds[stage] = seconds.get(stage, 0.0) + max(0.0, (done_at - claimed_at).total_seconds())
    return seconds


def runs_stored_of_live(session: Session) -> int:
    """Return how many runs are stored of all submissions that have not ended; in these two states they have some."""
    return _runs_stored(session, Submission.state.in_([SubmissionState.RUNNING, SubmissionState.SCORING]))


def _runs_stored(session: Session, of_submissions: ColumnElement[bool]) -> int:
    is_done = WorkItem.state == WorkState.DONE
    items = (
        select(WorkItem)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(of_submissions, WorkItem.generation == Submission.generation, WorkItem.stage == Stage.RUN)
    )
    whole = session.scalar(items.where(is_done).with_only_columns(func.sum(WorkItem.run_count))) or 0
    begun = session.scalars(
        items.where(~is_done, WorkItem.claimed_at.is_not(None)).with_only_columns(WorkItem.finished)
    )
    return whole + sum(len(records) for records in begun)
