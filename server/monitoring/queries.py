"""SQL of the metrics: states of open submissions and work items, and the sweeper's lease."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Select, func, select
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import OPEN_WORK_STATES, TERMINAL_STATES
from lethe.server.control.sweeper import SWEEPER
from lethe.server.database.statements import prepared
from lethe.server.lifecycle.work import waits
from lethe.server.models import Lease, Submission, WorkItem


def count_submissions(session: Session, states: Iterable[str]) -> dict[str, int]:
    """Return the number of submissions in each of `states`, without those that none is in."""
    wanted = list(states)
    rows = session.execute(
        select(Submission.state, func.count().label("number"))
        .where(Submission.state.in_(wanted))
        .group_by(Submission.state)
    )
    return {row.state: row.number for row in rows}


@prepared
def _open_items() -> Select[str, str, str | None, int, int, Any]:
    return (
        select(
            WorkItem.stage,
            WorkItem.state,
            WorkItem.sandbox_mode,
            func.count().label("number"),
            func.count().filter(waits(WorkItem)).label("waiting"),
            func.min(WorkItem.created_at).filter(waits(WorkItem)).label("oldest"),
        )
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.state.in_(OPEN_WORK_STATES),
            WorkItem.generation == Submission.generation,
            Submission.state.not_in(TERMINAL_STATES),
        )
        .group_by(WorkItem.stage, WorkItem.state, WorkItem.sandbox_mode)
    )


def count_open_items(session: Session, now: datetime) -> CursorResult[*tuple[Any, ...]]:
    """Return `stage`, `state`, `sandbox_mode`, `number`, `waiting` and `oldest` of the groups of open work items.

    `waiting` counts the items of a group that are available at `now`, and `oldest` is when the first of them was made.
    Finished items are not counted: their number only grows, and nobody waits for them.
    """
    return _open_items.rows(session, now=now)


def sweeper_lease(session: Session) -> Lease | None:
    """Return the sweeper's lease, or None before the first sweep."""
    return session.get(Lease, SWEEPER)
