"""SQL of work items: their fair order, claims, leases and reports, and what estimates and planning read of them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    CompoundSelect,
    Select,
    SQLColumnExpression,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal_column,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased, load_only

from lethe.evaluator.contract.states import OPEN_WORK_STATES, Stage, SubmissionState, WorkState
from lethe.server.database.statements import constant, prepared
from lethe.server.lifecycle.transitions import LIVE
from lethe.server.lifecycle.work import OPEN, waits
from lethe.server.models import Competition, ModelOrder, Submission, Worker, WorkerKey, WorkItem
from lethe.server.models.base import Entity
from lethe.server.models.leased import Leased
from lethe.server.models.times import UtcDateTime, utc_now
from lethe.server.queue.quarantine_queries import is_left_to_others
from lethe.server.queue.worker_queries import needed_bytes, needs_gpu

Columns = tuple[SQLColumnExpression[Any], ...]
LeasedWork = TypeVar("LeasedWork", bound=Leased)

_SAMPLE = 100  # items of each stage that estimates are made of; of short ones few end at another step than they began
_SERVED_AT = {Stage.CHECK: Competition.checks_served_at, Stage.RUN: Competition.runs_served_at}
_READ_OF_SUBMISSIONS = (
    Submission.competition_id,
    Submission.team_id,
    Submission.evaluation,
    Submission.state,
    Submission.fault_code,
    Submission.generation,
    Submission.request_id,
    Submission.runs_total,
    Submission.runs_shown,
    Submission.runs_shown_before,
    Submission.runs_shown_at,
)
_READ_OF_ITEMS = (
    WorkItem.submission_id,
    WorkItem.competition_id,
    WorkItem.generation,
    WorkItem.stage,
    WorkItem.chunk,
    WorkItem.first_run,
    WorkItem.run_count,
    WorkItem.state,
    WorkItem.attempt,
    WorkItem.token,
    WorkItem.worker,
    WorkItem.worker_key_id,
    WorkItem.faults,
    WorkItem.finished,
)


# Fair order


@prepared
def last_turns() -> Select[int | None, int | None, int | None]:
    """Three turns of `stage`: the last one in hand and the last one done in `competition_id`, and `team_id`'s next.

    Of the first two, those that were claimed until `moment`.
    """
    moment = bindparam("moment", type_=UtcDateTime())
    is_stage = WorkItem.stage == bindparam("stage")
    of_stage = and_(WorkItem.competition_id == bindparam("competition_id"), is_stage)
    served = [
        select(WorkItem.turn).where(of_stage, WorkItem.state == state, WorkItem.claimed_at <= moment)
        for state in (WorkState.LEASED, WorkState.DONE)
    ]
    own = select(WorkItem.turn + WorkItem.run_count).where(
        WorkItem.team_id == bindparam("team_id"),
        is_stage,
        WorkItem.state != WorkState.FAILED,
        WorkItem.state != WorkState.POISONED,
    )
    last = (query.order_by(WorkItem.turn.desc()).limit(1).scalar_subquery() for query in (*served, own))
    return select(*last)


@prepared
def waiting_competitions() -> Select[*tuple[Any, ...]]:
    """The worker, once for every competition with waiting checks or runs, or once when nothing waits."""
    checks, runs = (
        # One probe of the index per competition; EXISTS may become a hash of all that waits.
        select(WorkItem.id)
        .where(WorkItem.competition_id == Competition.id, WorkItem.stage == constant(stage), waits(WorkItem))
        .order_by(WorkItem.turn)
        .limit(literal_column("1"))
        .scalar_subquery()
        .is_not(None)
        for stage in (Stage.CHECK, Stage.RUN)
    )
    since = (
        select(WorkItem.created_at)
        .where(waits(WorkItem), WorkItem.stage == constant(Stage.RUN))
        .order_by(WorkItem.created_at)
        .limit(literal_column("1"))
    )
    return (
        select(
            Worker.worker_key_id,
            Worker.capabilities,
            Worker.seen_at,
            Worker.left_at,
            Worker.admission,
            Worker.quarantined_at,
            Competition.id,
            Competition.checks_served_at,
            Competition.runs_served_at,
            checks.label("checks"),
            runs.label("runs"),
            since.scalar_subquery().label("since"),
            needs_gpu(Competition).label("needs_gpu"),
            needed_bytes(Competition).label("memory_bytes"),
        )
        .join(WorkerKey, WorkerKey.id == Worker.worker_key_id)
        .outerjoin(Competition, or_(checks, runs))
        .where(WorkerKey.digest == bindparam("key_digest"), Worker.name == bindparam("worker"))
    )


@prepared
def first_waiting(stage: Stage) -> Select[UUID]:
    """The item of `stage` that comes next, locked; of checks and runs the next one of the competition `of_competition`.

    What others are claiming is passed over, and so are checks and runs that `is_left_to_others`. Of a check the
    submission is locked as well, so that claiming and cancelling never wait for each other crosswise.
    """
    item = aliased(WorkItem)
    first = select(item.id).where(item.stage == constant(stage), waits(item)).limit(literal_column("1"))
    if stage is Stage.SCORE:
        return first.order_by(item.created_at).with_for_update(skip_locked=True)
    first = first.where(
        item.competition_id == bindparam("of_competition"), or_(item.faults == 0, not_(is_left_to_others(item, stage)))
    ).order_by(item.turn, item.created_at)
    if stage is Stage.CHECK:
        return first.join(Submission, Submission.id == item.submission_id).with_for_update(
            skip_locked=True, of=[item, Submission]
        )
    return first.with_for_update(skip_locked=True)


@prepared
def busy_seconds() -> Select[str, float]:
    """Seconds that workers spent on checks and on runs from `since` to `now`, including those in hand."""
    since, now = bindparam("since", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime())
    items = select(WorkItem.stage, WorkItem.claimed_at, WorkItem.done_at).where(
        WorkItem.stage.in_([Stage.CHECK, Stage.RUN]), WorkItem.claimed_at.is_not(None)
    )
    ended = items.where(WorkItem.done_at > since)
    in_hand = items.where(WorkItem.state == WorkState.LEASED, WorkItem.done_at.is_(None))
    spans = union_all(ended, in_hand).subquery()
    start = case((spans.c.claimed_at > since, spans.c.claimed_at), else_=since)
    seconds = func.sum(extract("epoch", func.coalesce(spans.c.done_at, now)) - extract("epoch", start))
    return select(spans.c.stage, seconds.label("seconds")).group_by(spans.c.stage)


@prepared
def check_times() -> Select[*tuple[Any, ...]]:
    """When the check of a submission's generation `generation` was claimed, and when it ended."""
    return select(WorkItem.claimed_at, WorkItem.done_at).where(
        WorkItem.submission_id == bindparam("submission_id"),
        WorkItem.generation == bindparam("generation"),
        WorkItem.stage == Stage.CHECK,
    )


# Claims


@prepared
def waiting_check_or_run() -> Select[UUID]:
    """A waiting check or run, if there is any."""
    return (
        select(WorkItem.id)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            waits(WorkItem),
            WorkItem.stage.in_((Stage.CHECK, Stage.RUN)),
            WorkItem.generation == Submission.generation,
            Submission.state.in_([state for state in SubmissionState if not state.is_terminal]),
        )
        .limit(1)
    )


@prepared
def move_to_end_of_line(stage: Stage) -> Update:
    """Note that the competition `competition_id` was served in `stage` at `now`."""
    served_at: dict[Any, Any] = {_SERVED_AT[stage]: bindparam("now")}
    return update(Competition).where(Competition.id == bindparam("competition_id")).values(served_at)


@cache
def job_columns() -> Columns:
    """Return the columns of `JobParts`, labelled with its fields' names, for a statement that returns them of items."""
    of_submission = {
        "submission_state": Submission.state,
        "request_id": Submission.request_id,
        "evaluation": Submission.evaluation,
        "source_key": Submission.source_key,
        "source_sha256": Submission.source_sha256,
        "seed_rule": Submission.seed_rule,
        "upload_sha256": Submission.upload_sha256,
        "filename": Submission.filename,
        "seed_epoch": Submission.seed_epoch,
        "packages": Submission.check_report["packages"],
    }
    of_competition = {
        "secret": Competition.secret,
        "final_secret": Competition.final_secret,
        "benchmark_secret": Competition.benchmark_secret,
        "specification_text": cast(Competition.specification, Text),
        "prepared_text": cast(Competition.prepared, Text),
    }
    return (
        WorkItem.id.label("work_id"),
        WorkItem.token,
        WorkItem.attempt,
        WorkItem.stage,
        WorkItem.chunk,
        WorkItem.worker,
        WorkItem.first_run,
        WorkItem.run_count,
        WorkItem.part,
        WorkItem.finished,
        WorkItem.submission_id,
        WorkItem.generation,
        *(
            select(column).where(Submission.id == WorkItem.submission_id).scalar_subquery().label(name)
            for name, column in of_submission.items()
        ),
        *(
            select(column).where(Competition.id == WorkItem.competition_id).scalar_subquery().label(name)
            for name, column in of_competition.items()
        ),
    )


@prepared
def finished_runs() -> Select[dict[str, Any]]:
    """The records of the finished runs of the generation `generation` of the submission `submission_id`."""
    return select(WorkItem.finished).where(
        WorkItem.submission_id == bindparam("submission_id"),
        WorkItem.generation == bindparam("generation"),
        WorkItem.stage == Stage.RUN,
    )


# Leases and reports


@prepared
def held_item(locked: tuple[type[Entity], ...]) -> Select[WorkItem, Submission]:
    """The open item `work_id` and its submission, if the key `key_digest` claimed it last, and with `token`.

    The rows of `locked` are locked in that order.
    """
    key_id = select(WorkerKey.id).where(WorkerKey.digest == bindparam("key_digest")).scalar_subquery()
    return (
        select(WorkItem, Submission)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.id == bindparam("work_id"),
            WorkItem.token == bindparam("token"),
            WorkItem.worker_key_id == key_id,
            WorkItem.state.in_(OPEN),
        )
        .options(load_only(*_READ_OF_ITEMS), load_only(*_READ_OF_SUBMISSIONS))
        .with_for_update(of=locked)
    )


def lock_held(session: Session, key_id: UUID, worker: str) -> Sequence[WorkItem]:
    """Return the items that this worker of the key has under a lease, locked."""
    return session.scalars(
        select(WorkItem)
        .where(WorkItem.state == WorkState.LEASED, WorkItem.worker_key_id == key_id, WorkItem.worker == worker)
        .order_by(WorkItem.submission_id)  # as `leases.expire_leases` does
        .with_for_update()
    ).all()


def lock_held_orders(session: Session, key_id: UUID, worker: str) -> Sequence[ModelOrder]:
    """Return the training orders that this worker of the key has under a lease, locked."""
    return session.scalars(
        select(ModelOrder)
        .where(ModelOrder.state == WorkState.LEASED, ModelOrder.worker_key_id == key_id, ModelOrder.worker == worker)
        .order_by(ModelOrder.bank_digest, ModelOrder.model_index)
        .with_for_update()
    ).all()


def lock_expired(session: Session, kind: type[LeasedWork], *order: Any) -> Sequence[LeasedWork]:
    """Return the work whose holders fell silent, locked in the order of these columns."""
    return session.scalars(
        select(kind)
        .where(kind.state == WorkState.LEASED, kind.lease_expires_at < utc_now())
        .order_by(*order)
        .with_for_update(skip_locked=True)
    ).all()


def fence_off(session: Session, token: int) -> None:
    """End all leases now, and raise the tokens of open work to `token`, or by one where they have reached it."""
    now = utc_now()
    for kind in (WorkItem, ModelOrder):
        session.execute(
            update(kind)
            .where(kind.state.in_(OPEN_WORK_STATES))
            .values(token=case((kind.token < token, token), else_=kind.token + 1))
        )
        session.execute(update(kind).where(kind.state == WorkState.LEASED).values(lease_expires_at=now))


# Estimates


@prepared
def last_items_done() -> CompoundSelect[*tuple[Any, ...]]:
    """The last items of each stage that were done for other submissions until `moment`."""
    done = select(WorkItem.stage, WorkItem.claimed_at, WorkItem.done_at, WorkItem.run_count).where(
        WorkItem.competition_id == bindparam("competition_id"),
        WorkItem.submission_id != bindparam("submission_id"),
        WorkItem.state == WorkState.DONE,
        WorkItem.claimed_at.is_not(None),
        WorkItem.done_at <= bindparam("moment", type_=UtcDateTime()),
    )
    last = (
        done.where(WorkItem.stage == stage).order_by(WorkItem.done_at.desc()).limit(_SAMPLE).subquery()
        for stage in (Stage.CHECK, Stage.RUN, Stage.SCORE)
    )
    return union_all(*(select(*each.c) for each in last))


# Planning


@prepared
def items_of_generation() -> Select[str, int, UUID, str]:
    """The items of the generation `generation` of the submission `submission_id`."""
    return select(WorkItem.stage, WorkItem.chunk, WorkItem.id, WorkItem.state).where(
        WorkItem.submission_id == bindparam("submission_id"), WorkItem.generation == bindparam("generation")
    )


# Sweeps


def waiting_stages(session: Session) -> set[Stage]:
    """Return the stages of which an item waits."""
    stages = select(WorkItem.stage).where(waits(WorkItem)).distinct()
    return {Stage(stage) for stage in session.scalars(stages, {"now": utc_now()})}


def lock_overdue(session: Session) -> Sequence[Submission]:
    """Return the live submissions past their deadline, locked; those locked now are left out."""
    return session.scalars(
        select(Submission)
        .where(Submission.state.in_(LIVE), Submission.deadline_at < utc_now())
        .with_for_update(skip_locked=True)
    ).all()


def lock_stranded(session: Session) -> Sequence[Submission]:
    """Return the live submissions without an open item of their generation, locked; those locked now are left out."""
    open_items = select(WorkItem.id).where(
        WorkItem.submission_id == Submission.id,
        WorkItem.generation == Submission.generation,
        WorkItem.state.in_(OPEN_WORK_STATES),
    )
    return session.scalars(
        select(Submission)
        .where(
            Submission.state.in_(LIVE),
            ~open_items.exists(),
        )
        .with_for_update(skip_locked=True)
    ).all()
