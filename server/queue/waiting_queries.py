"""SQL of what waited for a worker at a moment: places in the fair order, and the runs that an estimate counts."""

from typing import Any

from sqlalchemy import Select, Subquery, bindparam, func, literal_column, select, tuple_, union_all
from sqlalchemy.orm import aliased

from lethe.evaluator.contract.states import Stage, WorkState
from lethe.server.database.statements import constant, prepared
from lethe.server.lifecycle.work import waits
from lethe.server.models import Competition, WorkItem
from lethe.server.models.times import UtcDateTime


def _waiting_at(stage: Stage) -> Subquery:
    """The items of `stage` that waited at the parameter `moment`: those that wait now, and those claimed since."""
    moment = bindparam("moment", type_=UtcDateTime())
    items = select(
        WorkItem.id,
        WorkItem.submission_id,
        WorkItem.competition_id,
        WorkItem.turn,
        WorkItem.created_at,
        WorkItem.run_count,
    ).where(WorkItem.stage == constant(stage), WorkItem.created_at <= moment)
    claimed = items.where(WorkItem.claimed_at > moment)
    return union_all(
        items.where(waits(WorkItem)),
        claimed.where(WorkItem.state == constant(WorkState.LEASED)),
        claimed.where(WorkItem.done_at > moment),
    ).subquery()


@prepared
def count_before(stage: Stage) -> Select[int]:
    """How many submissions of the competition waited at `moment` for `stage` and come before the submission."""
    mine, other = aliased(WorkItem), _waiting_at(stage)
    count = select(func.count(other.c.submission_id.distinct())).where(
        other.c.competition_id == bindparam("competition_id"),
        other.c.submission_id != bindparam("submission_id"),
        tuple_(other.c.turn, other.c.created_at) < tuple_(mine.turn, mine.created_at),
    )
    return select(count.scalar_subquery()).where(
        mine.stage == constant(stage),
        mine.submission_id == bindparam("submission_id"),
        mine.generation == bindparam("generation"),
        mine.chunk == 0,  # the first in the fair order
    )


@prepared
def waiting_of_others(stage: Stage) -> Select[Any, int]:
    """The number of submissions of each other competition that waited at `moment` for `stage`."""
    other = _waiting_at(stage)
    return (
        select(other.c.competition_id, func.count(other.c.submission_id.distinct()).label("waiting"))
        .where(other.c.competition_id != bindparam("competition_id"))
        .group_by(other.c.competition_id)
    )


@prepared
def last_claims(stage: Stage) -> Select[*tuple[Any, ...]]:
    """When `competition_id` was created, and when those of its items of `stage` in hand and done that are last in the
    fair order were claimed, of those claimed until `moment`.
    """
    claimed = [
        select(WorkItem.claimed_at)
        .where(
            WorkItem.competition_id == Competition.id,
            WorkItem.stage == constant(stage),
            WorkItem.state == constant(state),
            WorkItem.claimed_at <= bindparam("moment", type_=UtcDateTime()),
        )
        .order_by(WorkItem.turn.desc())
        .limit(literal_column("1"))
        .scalar_subquery()
        for state in (WorkState.LEASED, WorkState.DONE)
    ]
    return select(Competition.created_at, *claimed).where(Competition.id == bindparam("competition_id"))


@prepared
def first_claim_of_runs() -> Select[Any]:
    """When a worker first took runs of the submission's generation `generation`; NULL before, or while none is planned.

    A chunk that a worker lost and another one took counts from the latter on.
    """
    return select(func.min(WorkItem.claimed_at)).where(
        WorkItem.submission_id == bindparam("submission_id"),
        WorkItem.generation == bindparam("generation"),
        WorkItem.stage == Stage.RUN,
    )


@prepared
def last_waiting_run() -> Select[*tuple[Any, ...]]:
    """Turn and creation of the last run of the submission `submission_id` that waited at `moment`."""
    run = _waiting_at(Stage.RUN)
    return (
        select(run.c.turn, run.c.created_at)
        .where(run.c.submission_id == bindparam("submission_id"))
        .order_by(run.c.turn.desc(), run.c.created_at.desc())
        .limit(1)
    )


@prepared
def waiting_runs_of_others() -> Select[*tuple[Any, ...]]:
    """Of each competition the runs of other submissions that waited at `moment`: all, and those before the place
    `turn`, `created_at` of the fair order.
    """
    run = _waiting_at(Stage.RUN)
    runs = func.sum(run.c.run_count)
    place = tuple_(bindparam("turn"), bindparam("created_at", type_=UtcDateTime()))
    is_before = tuple_(run.c.turn, run.c.created_at) < place
    return (
        select(run.c.competition_id, runs.label("runs"), runs.filter(is_before).label("before"))
        .where(run.c.submission_id != bindparam("submission_id"))
        .group_by(run.c.competition_id)
    )
