"""Counts the board changes of this process, so that its users see at once what they changed."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session


class _Changes:
    count = 0


def count() -> int:
    """Return how many transactions that changed a board this process has committed."""
    return _Changes.count


def note(session: Session) -> None:
    """Count a change when the transaction of `session` commits."""
    event.listen(session, "after_commit", _committed, once=True)


def _committed(_session: Any) -> None:
    _Changes.count += 1
