"""Counters of the whole site that survive restarts, updated in the transaction that they count."""

import os
import socket
from collections.abc import Iterable
from functools import cache
from typing import Final
from uuid import UUID

from sqlalchemy import Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lethe.server.models import Counter

RUNS: Final = "runs"
LEASES_EXPIRED: Final = "leases_expired"
WORK_POISONED: Final = "work_poisoned"
SWEEPS: Final = "sweeps"
SCORINGS: Final = "scorings"
SCORING_S: Final = "scoring_seconds"
MAILS_REFUSED: Final = "mails_refused"
MAILS_GIVEN_UP: Final = "mails_given_up"
WEBHOOKS_GIVEN_UP: Final = "webhooks_given_up"
NAMES = (
    *(RUNS, LEASES_EXPIRED, WORK_POISONED, SWEEPS, SCORINGS, SCORING_S),
    *(MAILS_REFUSED, MAILS_GIVEN_UP, WEBHOOKS_GIVEN_UP),
)
_OUTCOME: Final = "ended"
_STATE: Final = "state"
_MACHINE: Final = "machine"
_OF_TEAM: Final = "hours/"


def add(session: Session, name: str, amount: float = 1.0) -> None:
    """Count `amount` more of `name`, if the transaction commits."""
    if amount:
        counted = {"name": name, "process": f"{_host()}:{os.getpid()}"[:200], "value": amount}
        session.connection().execute(_counting(session.get_bind().dialect.name), counted)


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _counting(dialect: str) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(Counter)
    more = Counter.value + statement.excluded.value
    return statement.on_conflict_do_update(index_elements=["name", "process"], set_={"value": more})


def add_outcome(session: Session, *, state: str, owner: str | None, code: str | None) -> None:
    """Count an evaluation that ended. Counting all submissions instead would get slower every day."""
    add(session, "/".join((_OUTCOME, state, owner or "", code or "")))


def add_state(session: Session, competition_id: UUID, state: str, change: int = 1) -> None:
    """Count a submission that reached a terminal `state`; with -1, one that left it for a rerun."""
    add(session, _state_name(competition_id, state), change)


def states(session: Session, competition_id: UUID, wanted: Iterable[str]) -> dict[str, int]:
    """Return how many submissions of the competition, final evaluations included, are in each terminal state."""
    names = {_state_name(competition_id, state): state for state in wanted}
    rows = session.execute(
        select(Counter.name, func.sum(Counter.value)).where(Counter.name.in_(names)).group_by(Counter.name)
    )
    return {names[name]: int(total) for name, total in rows}


def _state_name(competition_id: UUID, state: str) -> str:
    return f"{_STATE}/{competition_id.hex}/{state}"


def add_machine_time(session: Session, team_id: UUID, *, stage: str, outcome: str, seconds: float) -> None:
    """Count seconds that a machine spent on a stage of a team's submission which ended so; `saved` ones were not."""
    add(session, f"{_MACHINE}/{stage}/{outcome}", seconds)
    add(session, f"{_OF_TEAM}{team_id.hex}/{stage}/{outcome}", seconds)


def machine_seconds(session: Session) -> dict[tuple[str, str], float]:
    """Return the seconds of machines by stage and outcome, over all competitions."""
    found = {}
    for name, total in _sums(session).items():
        kind, *labels = name.split("/")
        if kind == _MACHINE:
            stage, outcome = labels
            found[stage, outcome] = total
    return found


def machine_seconds_of(session: Session, team_ids: Iterable[UUID]) -> dict[tuple[UUID, str, str], float]:
    """Return the seconds of machines by team, stage and outcome."""
    wanted = {team_id.hex: team_id for team_id in team_ids}
    rows = session.execute(
        select(Counter.name, func.sum(Counter.value)).where(Counter.name.startswith(_OF_TEAM)).group_by(Counter.name)
    )
    found = {}
    for name, total in rows:
        _, team, stage, outcome = name.split("/")
        if team in wanted:
            found[wanted[team], stage, outcome] = float(total)
    return found


def totals(session: Session) -> dict[str, float]:
    """Return each counter's sum over all processes since the beginning; 0 for an event that never happened."""
    found = _sums(session)
    return {name: found.get(name, 0.0) for name in NAMES}


def outcomes(session: Session) -> dict[tuple[str, str, str], float]:
    """Return how many evaluations have ended by state, owner and code; a rerun counts again."""
    found = {}
    for name, total in _sums(session).items():
        kind, *labels = name.split("/")
        if kind == _OUTCOME:
            state, owner, code = labels
            found[state, owner, code] = total
    return found


def _sums(session: Session) -> dict[str, float]:
    rows = session.execute(
        select(Counter.name, func.sum(Counter.value))
        .where(~Counter.name.startswith(_OF_TEAM))  # some for every team
        .group_by(Counter.name)
    )
    return {name: float(total) for name, total in rows}
