"""The fair order of work: whose turn it is, and how many submissions stand before one.

Competitions take turns, the one served longest ago first. Within a competition every item has a stored `turn`, which
is a start tag of start-time fair queueing (Goyal, Vin, Cheng, 1996, section 2) with runs as the unit and teams as the
flows: it is the larger of what is being served now and what the team has asked for already. So the chunks of teams
interleave, a team that sends much waits behind itself, and one that was idle is neither punished nor rewarded for it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, update
from sqlalchemy.orm import Session

from evaluator.contract.states import Stage, SubmissionState, WorkState
from evaluator.contract.work import Capabilities
from server.db import utc_now
from server.models import Competition, Submission, WorkItem

CHECK_SHARE = 1 / 4
SHARE_WINDOW_S = 900.0
_SERVED_AT = {Stage.CHECK: Competition.checks_served_at, Stage.RUN: Competition.runs_served_at}


def next_turn(session: Session, *, competition_id: UUID, team_id: UUID, stage: Stage) -> int:
    """The turn of the team's next item of `stage`; a further item of the same submission comes its runs later."""
    of_stage = and_(WorkItem.competition_id == competition_id, WorkItem.stage == stage)
    served = [
        select(WorkItem.turn).where(of_stage, WorkItem.state == state) for state in (WorkState.LEASED, WorkState.DONE)
    ]
    own = select(WorkItem.turn + WorkItem.run_count).where(
        WorkItem.team_id == team_id,
        WorkItem.stage == stage,
        WorkItem.state.in_([WorkState.READY, WorkState.LEASED, WorkState.DONE]),
    )
    last = (query.order_by(WorkItem.turn.desc()).limit(1).scalar_subquery() for query in (*served, own))
    return max(turn or 0 for turn in session.execute(select(*last)).one())


def next_item(session: Session, stage: Stage, capabilities: Capabilities) -> WorkItem | None:
    """The item of `stage` whose turn it is among those that a worker can do, locked, or None.

    What another transaction is taking is passed over. Of a check the submission is locked with it, so that claiming
    and cancelling never wait for each other crosswise.
    """
    for competition_id in session.scalars(_waiting_competitions(stage, capabilities)).all():
        item = session.scalar(_first_item(competition_id, stage))
        if item is not None:
            return item
    return None


def next_score_item(session: Session) -> WorkItem | None:
    """The score item that has waited longest, locked, or None."""
    return session.scalar(
        select(WorkItem)
        .where(WorkItem.state == WorkState.READY, WorkItem.stage == Stage.SCORE)
        .order_by(WorkItem.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _waiting_competitions(stage: Stage, capabilities: Capabilities) -> Select[UUID]:
    """Competitions with waiting items of `stage` that a worker with `capabilities` can do, in order."""
    needs_gpu = func.coalesce(Competition.specification["evaluation"]["gpu"].as_boolean(), false())
    memory_bytes = Competition.specification["limits"]["memory_bytes"].as_float()
    demands: list[ColumnElement[bool]] = [memory_bytes <= capabilities.memory_bytes]
    if capabilities.gpu is None:
        demands.append(~needs_gpu)
    waiting = select(WorkItem.id).where(
        WorkItem.competition_id == Competition.id, WorkItem.stage == stage, WorkItem.state == WorkState.READY
    )
    return select(Competition.id).where(*demands, waiting.exists()).order_by(_SERVED_AT[stage])


def _first_item(competition_id: UUID, stage: Stage) -> Select[WorkItem]:
    first = (
        select(WorkItem)
        .where(WorkItem.competition_id == competition_id, WorkItem.stage == stage, WorkItem.state == WorkState.READY)
        .order_by(WorkItem.turn, WorkItem.created_at)
        .limit(1)
    )
    if stage is Stage.CHECK:
        joined = first.join(Submission, Submission.id == WorkItem.submission_id)
        return joined.with_for_update(skip_locked=True, of=[WorkItem, Submission])
    return first.with_for_update(skip_locked=True, of=WorkItem)


def note_served(competition: Competition, stage: Stage) -> None:
    """The competition goes to the end of the line for `stage`."""
    if stage is Stage.CHECK:
        competition.checks_served_at = utc_now()
    else:
        competition.runs_served_at = utc_now()


def stage_order(session: Session) -> tuple[Stage, Stage]:
    """Which stage a worker should take up first: checks, unless they had their quarter while runs waited.

    Counted is the time of all workers since runs began to wait, at most the last quarter of an hour.
    """
    now = utc_now()
    waiting_since = session.scalar(
        select(WorkItem.created_at)
        .where(WorkItem.state == WorkState.READY, WorkItem.stage == Stage.RUN)
        .order_by(WorkItem.created_at)
        .limit(1)
    )
    checks_wait = select(WorkItem.id).where(WorkItem.state == WorkState.READY, WorkItem.stage == Stage.CHECK).limit(1)
    if waiting_since is None or session.scalar(checks_wait) is None:
        return Stage.CHECK, Stage.RUN
    spent = _busy_s(session, max(waiting_since, now - timedelta(seconds=SHARE_WINDOW_S)), now)
    if spent[Stage.CHECK] > CHECK_SHARE * sum(spent.values()):
        return Stage.RUN, Stage.CHECK
    return Stage.CHECK, Stage.RUN


def _busy_s(session: Session, since: datetime, now: datetime) -> dict[Stage, float]:
    """Seconds that workers spent on items of each stage after `since`, those in hand included."""
    spent = {Stage.CHECK: 0.0, Stage.RUN: 0.0}
    items = select(WorkItem.stage, WorkItem.claimed_at, WorkItem.done_at).where(WorkItem.stage.in_(spent))
    ended = session.execute(items.where(WorkItem.done_at > since)).all()
    in_hand = session.execute(items.where(WorkItem.state == WorkState.LEASED)).all()
    for stage, start, end in (*ended, *in_hand):
        if start is not None:
            spent[Stage(stage)] += ((end or now) - max(start, since)).total_seconds()
    return spent


def queue_position(session: Session, submission: Submission) -> int | None:
    """How many submissions that no worker has yet come before this one in the fair order, plus one; None once taken up.

    Within the competition that is counted; every other competition gets its turns in between.
    """
    if submission.state != SubmissionState.QUEUED:
        return None
    waiting = and_(WorkItem.stage == Stage.CHECK, WorkItem.state == WorkState.READY)
    mine = session.execute(
        select(WorkItem.turn, WorkItem.created_at).where(waiting, WorkItem.submission_id == submission.id)
    ).first()
    if mine is None:
        return None
    before = or_(WorkItem.turn < mine.turn, and_(WorkItem.turn == mine.turn, WorkItem.created_at < mine.created_at))
    position = 1 + _count(session, waiting, WorkItem.competition_id == submission.competition_id, before)
    served_at = (
        select(Competition.checks_served_at).where(Competition.id == submission.competition_id).scalar_subquery()
    )
    others = (
        select(func.count(), func.max(Competition.checks_served_at) < served_at)
        .select_from(WorkItem)
        .join(Competition, Competition.id == WorkItem.competition_id)
        .where(waiting, WorkItem.competition_id != submission.competition_id)
        .group_by(Competition.id)
    )
    return position + sum(
        min(count, position if is_before else position - 1) for count, is_before in session.execute(others)
    )


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(WorkItem).where(*conditions)) or 0


def drop_items(session: Session, submission: Submission) -> None:
    """Take the waiting items of a submission that has ended out of the queue."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.submission_id == submission.id, WorkItem.state == WorkState.READY)
        .values(state=WorkState.FAILED)
    )
