"""Counts that outlive processes and hold across them: added in the transaction of what they count."""

import os
import socket
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from server.models import Tally

RUNS: Final = "runs"
LEASES_EXPIRED: Final = "leases_expired"
WORK_POISONED: Final = "work_poisoned"
SWEEPS: Final = "sweeps"
SCORINGS: Final = "scorings"
SCORING_S: Final = "scoring_seconds"
NAMES = (RUNS, LEASES_EXPIRED, WORK_POISONED, SWEEPS, SCORINGS, SCORING_S)


def add(session: Session, name: str, amount: float = 1.0) -> None:
    """Count `amount` more of `name`, if the transaction commits."""
    if not amount:
        return
    process = f"{socket.gethostname()}:{os.getpid()}"[:200]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(
        insert(Tally)
        .values(name=name, process=process, value=amount)
        .on_conflict_do_update(index_elements=["name", "process"], set_={"value": Tally.value + amount})
    )


def totals(session: Session) -> dict[str, float]:
    """The sum over all processes, ever, by name; 0 for what never happened."""
    rows = session.execute(select(Tally.name, func.sum(Tally.value)).group_by(Tally.name))
    found = {name: total for name, total in rows}  # noqa: C416 - rows are no pairs to mypy
    return {name: float(found.get(name, 0.0)) for name in NAMES}
