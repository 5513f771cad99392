"""The fair order of work: which item comes next, and how many submissions stand before one.

Competitions take turns, the one served longest ago first. Within a competition every item has a stored `turn`, which
is a start tag of start-time fair queueing (Goyal, Vin, Cheng, 1996, section 2) with runs as the unit and teams as the
flows: it is the larger of what is being served now and what the team has asked for already. So the chunks of teams
interleave, a team that sends much waits behind itself, and one that was idle is neither punished nor rewarded for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    extract,
    false,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from evaluator.contract.states import Stage, SubmissionState, WorkState
from server.database.statements import constant, prepared
from server.lifecycle.work import waits
from server.models import Competition, Submission, Worker, WorkerKey, WorkItem
from server.models.times import UtcDateTime, utc_now
from server.queue.workers import ActiveWorker, is_contact_recent, record_contact

CHECK_SHARE = 1 / 4
SHARE_WINDOW_S = 900.0


@dataclass(frozen=True)
class Waiting:
    """A competition with waiting checks or runs; since when any competition's runs wait, None if none do."""

    competition_id: UUID
    served_at: dict[Stage, datetime]
    stages: frozenset[Stage]
    runs_wait_since: datetime | None


@dataclass(frozen=True)
class Turn:
    """Work of this stage for this competition comes next."""

    stage: Stage
    competition_id: UUID
    has_others_behind: bool


def next_turn(session: Session, *, competition_id: UUID, team_id: UUID, stage: Stage) -> int:
    """The turn of the team's next item of `stage`; a further item of the same submission comes its runs later."""
    last = _last_turns.rows(session, competition_id=competition_id, team_id=team_id, stage=stage)
    return max(turn or 0 for turn in last.one())


@prepared
def _last_turns() -> Select[int | None, int | None, int | None]:
    is_stage = WorkItem.stage == bindparam("stage")
    of_stage = and_(WorkItem.competition_id == bindparam("competition_id"), is_stage)
    served = [
        select(WorkItem.turn).where(of_stage, WorkItem.state == state) for state in (WorkState.LEASED, WorkState.DONE)
    ]
    own = select(WorkItem.turn + WorkItem.run_count).where(
        WorkItem.team_id == bindparam("team_id"),
        is_stage,
        WorkItem.state != WorkState.FAILED,
        WorkItem.state != WorkState.POISONED,
    )
    last = (query.order_by(WorkItem.turn.desc()).limit(1).scalar_subquery() for query in (*served, own))
    return select(*last)


def find_waiting(session: Session, key_digest: str, name: str) -> tuple[ActiveWorker, list[Waiting]]:
    """Note that a worker is alive, and return it with the competitions whose waiting checks or runs it can do.

    Raises WorkerKeyInvalid and WorkerUnknown.
    """
    rows = _waiting.rows(session, key_digest=key_digest, worker=name, now=utc_now()).all()
    if rows and is_contact_recent(rows[0].seen_at, rows[0].left_at):
        worker = ActiveWorker.of(rows[0].worker_key_id, name, rows[0].capabilities)
    else:
        worker = record_contact(session, key_digest, name)
    return worker, [
        Waiting(
            competition_id=row.id,
            served_at={Stage.CHECK: row.checks_served_at, Stage.RUN: row.runs_served_at},
            stages=frozenset([Stage.CHECK] * row.checks + [Stage.RUN] * row.runs),
            runs_wait_since=row.since,
        )
        for row in rows
        if row.id is not None and worker.can(memory_bytes=row.memory_bytes, needs_gpu=row.needs_gpu)
    ]


@prepared
def _waiting() -> Select[*tuple[Any, ...]]:
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
            Competition.id,
            Competition.checks_served_at,
            Competition.runs_served_at,
            checks.label("checks"),
            runs.label("runs"),
            since.scalar_subquery().label("since"),
            func.coalesce(Competition.specification["evaluation"]["gpu"].as_boolean(), false()).label("needs_gpu"),
            Competition.specification["limits"]["memory_bytes"].as_float().label("memory_bytes"),
        )
        .join(WorkerKey, WorkerKey.id == Worker.worker_key_id)
        .outerjoin(Competition, or_(checks, runs))
        .where(WorkerKey.digest == bindparam("key_digest"), Worker.name == bindparam("worker"))
    )


def turns_in_order(session: Session, waiting: Sequence[Waiting]) -> Iterator[Turn]:
    """Yield whose turn it is, then whose turn it is if other workers take everything that the former has."""
    for stage in _stage_order(session, waiting):
        line = sorted((row for row in waiting if stage in row.stages), key=lambda row: row.served_at[stage])
        for row in line:
            yield Turn(stage, row.competition_id, has_others_behind=len(line) > 1)


@prepared
def first_waiting(stage: Stage) -> Select[UUID]:
    """The item of `stage` that comes next, locked; of checks and runs the next one of the competition `of_competition`.

    What others are claiming is passed over. Of a check the submission is locked as well, so that claiming and
    cancelling never wait for each other crosswise.
    """
    item = aliased(WorkItem)
    first = select(item.id).where(item.stage == constant(stage), waits(item)).limit(literal_column("1"))
    if stage is Stage.SCORE:
        return first.order_by(item.created_at).with_for_update(skip_locked=True)
    first = first.where(item.competition_id == bindparam("of_competition")).order_by(item.turn, item.created_at)
    if stage is Stage.CHECK:
        return first.join(Submission, Submission.id == item.submission_id).with_for_update(
            skip_locked=True, of=[item, Submission]
        )
    return first.with_for_update(skip_locked=True)


def _stage_order(session: Session, waiting: Sequence[Waiting]) -> tuple[Stage, Stage]:
    """Return the stages in the order of their turn: checks first, unless they had their quarter while runs waited.

    The time of all workers counts, since runs began to wait but at most of the last quarter of an hour.
    """
    now = utc_now()
    checks_wait = any(Stage.CHECK in row.stages for row in waiting)
    runs_wait_since = next((row.runs_wait_since for row in waiting), None)
    if not checks_wait or runs_wait_since is None:
        return Stage.CHECK, Stage.RUN
    spent = _busy_s(session, max(runs_wait_since, now - timedelta(seconds=SHARE_WINDOW_S)), now)
    if spent[Stage.CHECK] > CHECK_SHARE * sum(spent.values()):
        return Stage.RUN, Stage.CHECK
    return Stage.CHECK, Stage.RUN


def _busy_s(session: Session, since: datetime, now: datetime) -> dict[Stage, float]:
    """Seconds that workers spent on items of each stage after `since`, including those in hand."""
    spent = {Stage.CHECK: 0.0, Stage.RUN: 0.0}
    for row in _spans.rows(session, since=since, now=now):
        spent[Stage(row.stage)] = float(row.seconds)
    return spent


@prepared
def _spans() -> Select[str, float]:
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


def queue_position(session: Session, submission: Submission) -> int | None:
    """Return the place of a submission among those that no worker has claimed, from 1; None once it is claimed.

    Within its competition the submissions before it are counted; every other competition gets its turns in between.
    """
    if submission.state != SubmissionState.QUEUED:
        return None
    values = {"competition_id": submission.competition_id, "now": utc_now()}
    before = _before.rows(session, submission_id=submission.id, **values).scalar()
    if before is None:
        return None
    position = 1 + int(before)
    others = _others.rows(session, **values)
    return position + sum(min(int(row.waiting), position if row.is_before else position - 1) for row in others)


@prepared
def _before() -> Select[int | None]:
    """How many waiting checks of the competition come before the submission's; no row when that does not wait."""
    mine, other = aliased(WorkItem), aliased(WorkItem)
    count = select(func.count()).where(
        *_waiting_check(other),
        other.competition_id == bindparam("competition_id"),
        tuple_(other.turn, other.created_at) < tuple_(mine.turn, mine.created_at),
    )
    return select(count.scalar_subquery()).where(
        *_waiting_check(mine), mine.submission_id == bindparam("submission_id")
    )


@prepared
def _others() -> Select[int, bool]:
    """The waiting checks of each other competition, and whether it was served before this one."""
    this: BindParameter[UUID] = bindparam("competition_id")
    served_at = select(Competition.checks_served_at).where(Competition.id == this).scalar_subquery()
    return (
        select(func.count().label("waiting"), (func.max(Competition.checks_served_at) < served_at).label("is_before"))
        .select_from(WorkItem)
        .join(Competition, Competition.id == WorkItem.competition_id)
        .where(*_waiting_check(WorkItem), WorkItem.competition_id != this)
        .group_by(Competition.id)
    )


def _waiting_check(item: type[WorkItem]) -> tuple[ColumnElement[bool], ...]:
    return (item.stage == Stage.CHECK, waits(item))
