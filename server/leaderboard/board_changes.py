"""How often this process has changed a board: what it kept in memory before is no longer what its users did."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session


class _Changes:
    count = 0


def count() -> int:
    """A number that is another one after every change of a board that this process committed."""
    return _Changes.count


def note(session: Session) -> None:
    """Count a change when the transaction of `session` commits."""
    event.listen(session, "after_commit", _committed, once=True)


def _committed(_session: Any) -> None:
    _Changes.count += 1
