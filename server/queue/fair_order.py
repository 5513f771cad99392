"""The fair order of work: which item comes next, and how many submissions stand before one.

Competitions take turns, the one served longest ago first. Within a competition every item has a stored `turn`, which
is a start tag of start-time fair queueing (Goyal, Vin, Cheng, 1996, section 2) with runs as the unit and teams as the
flows: it is the larger of what is being served now and what the team has asked for already. So the chunks of teams
interleave, a team that sends much waits behind itself, and one that was idle is neither punished nor rewarded for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Stage
from lethe.server.models import Submission
from lethe.server.models.times import utc_now
from lethe.server.queue import queries, waiting_queries
from lethe.server.queue.workers import ActiveWorker, is_contact_recent, record_contact

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


def next_turn(session: Session, *, competition_id: UUID, team_id: UUID, stage: Stage, moment: datetime) -> int:
    """The turn of the team's next item of `stage`; a further item of the same submission comes its runs later.

    What was served is known as of `moment`, the last step of the clock: a place in the queue shows it.
    """
    values = {"competition_id": competition_id, "team_id": team_id, "stage": stage}
    last = queries.last_turns.rows(session, **values, moment=moment)
    return max(turn or 0 for turn in last.one())


def find_waiting(session: Session, key_digest: str, name: str) -> tuple[ActiveWorker, list[Waiting]]:
    """Note that a worker is alive, and return it with the competitions whose waiting checks or runs it can do.

    Raises WorkerKeyInvalid and WorkerUnknown.
    """
    rows = queries.waiting_competitions.rows(session, key_digest=key_digest, worker=name, now=utc_now()).all()
    if rows and is_contact_recent(rows[0].seen_at, rows[0].left_at):
        worker = ActiveWorker.of(rows[0], name)
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


def turns_in_order(session: Session, waiting: Sequence[Waiting]) -> Iterator[Turn]:
    """Yield whose turn it is, then whose turn it is if other workers take everything that the former has."""
    for stage in _stage_order(session, waiting):
        line = sorted((row for row in waiting if stage in row.stages), key=lambda row: row.served_at[stage])
        for row in line:
            yield Turn(stage, row.competition_id, has_others_behind=len(line) > 1)


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
    for row in queries.busy_seconds.rows(session, since=since, now=now):
        spent[Stage(row.stage)] = float(row.seconds)
    return spent


def queue_position(session: Session, submission: Submission, stage: Stage, moment: datetime) -> int:
    """Return the place of a submission among those of which no worker had claimed `stage` at `moment`, from 1.

    Within its competition the submissions before it are counted; every other competition gets its turns in between.
    """
    values = {"competition_id": submission.competition_id, "moment": moment, "now": utc_now()}
    own = {"submission_id": submission.id, "generation": submission.generation}
    before = waiting_queries.count_before.rows(session, stage, **own, **values).scalar()
    position = 1 + int(before or 0)
    others = waiting_queries.waiting_of_others.rows(session, stage, **values).all()
    served_at = {
        key: _served_at(session, key, stage, moment) for key in (submission.competition_id, *(row[0] for row in others))
    }
    in_between: int = sum(
        min(waiting, position if served_at[key] < served_at[submission.competition_id] else position - 1)
        for key, waiting in others
    )
    return position + in_between


def _served_at(session: Session, competition_id: UUID, stage: Stage, moment: datetime) -> datetime:
    """When an item of the competition was claimed last, as of `moment`; its creation if none was."""
    row = waiting_queries.last_claims.rows(session, stage, competition_id=competition_id, moment=moment).one()
    times: list[datetime | None] = list(row)
    return max(time for time in times if time is not None)


def have_runs_begun(session: Session, submission: Submission, moment: datetime) -> bool:
    """Return whether a worker had taken runs of the submission by `moment`."""
    own = {"submission_id": submission.id, "generation": submission.generation}
    first: datetime | None = waiting_queries.first_claim_of_runs.rows(session, **own).scalar()
    return first is not None and first <= moment
