"""What is to be told by mail, written in the transaction of what happened."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.server.mail import queries
from lethe.server.models import MailPreference, OutboxMail
from lethe.server.models.times import utc_now

DIGEST_HOUR = 6
"""Of the day in UTC, at which those who want one mail a day get it."""


class Kind(StrEnum):
    """What a mail says. People choose whether they get the first five; nobody chooses the others."""

    ENDED = "ended"
    INVITATION = "invitation"
    ANNOUNCEMENT = "announcement"
    CLOSING = "closing"
    REVEALED = "revealed"
    CONFIRM = "confirm"
    RESET = "reset"
    MOVED = "moved"


NOTICES = {
    Kind.ENDED: "A submission of my team has ended",
    Kind.INVITATION: "Somebody has accepted an invitation of mine",
    Kind.ANNOUNCEMENT: "A host has announced something",
    Kind.CLOSING: "A competition of mine ends within 24 hours",
    Kind.REVEALED: "The final results are out",
}
"""The kinds that people choose, with what pages say of them."""
CHATTY = frozenset({Kind.ENDED})
"""Kinds that one mail a day sums up, unless somebody wants each at once."""


def send(session: Session, kind: Kind, user_id: UUID | None, *, due_at: datetime | None = None, **details: Any) -> None:
    """Put a mail into the outbox, due now or at `due_at`."""
    moment = due_at or utc_now()
    session.add(OutboxMail(user_id=user_id, kind=kind, details=details, due_at=moment, retry_at=moment))


def tell_team(session: Session, team_id: UUID, kind: Kind, **details: Any) -> None:
    """Tell the members of a team who want to know."""
    _tell(session, queries.members_to_tell(session, team_id), kind, details)


def tell_participants(session: Session, competition_id: UUID, kind: Kind, **details: Any) -> None:
    """Tell the members of all teams of a competition who want to know."""
    _tell(session, queries.participants_to_tell(session, competition_id), kind, details)


def tell_person(session: Session, user_id: UUID, kind: Kind, **details: Any) -> None:
    """Tell somebody who wants to know."""
    found = session.get(MailPreference, user_id)
    if found is not None and found.confirmed_at is not None:
        _tell(session, [found], kind, details)


def _tell(session: Session, people: Sequence[MailPreference], kind: Kind, details: dict[str, Any]) -> None:
    for one in people:
        if kind in one.notices:
            due_at = next_digest(utc_now()) if kind in CHATTY and one.is_daily else None
            send(session, kind, one.user_id, due_at=due_at, **details)


def next_digest(now: datetime) -> datetime:
    """Return when the next daily mail is due."""
    today = now.replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return today if now < today else today + timedelta(days=1)
