"""The audit log: every action of a host or an operator, written in the transaction of the action itself."""

import os
import pwd
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lethe.server.database.paging import fetch_page
from lethe.server.models import AuditEvent, Competition, User


def command_line_actor() -> str:
    """Return the actor of a command: the system's user behind it."""
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:{uid}"


def user_actor(user: User) -> str:
    """Return the actor of a request."""
    return f"user:{user.username}"


def record(
    session: Session,
    action: str,
    target: str,
    *,
    actor: str | None = None,
    competition: Competition | None = None,
    **details: Any,
) -> None:
    """Add an event such as `record(session, "competition.open", slug, competition=found)` to the caller's transaction.

    `details` are JSON values and never secrets. Without `actor` it is the user of the command line.
    """
    session.add(
        AuditEvent(
            actor=(actor or command_line_actor())[:200],
            action=action,
            target=target[:200],
            competition_id=None if competition is None else competition.id,
            details=details,
        )
    )


def rename_person(session: Session, former: str, username: str) -> None:
    """Let the log say `username` where it says who did something, or to whom it was done."""
    session.execute(update(AuditEvent).where(AuditEvent.actor == f"user:{former}").values(actor=f"user:{username}"))
    session.execute(
        update(AuditEvent)
        .where(AuditEvent.action.startswith("user."), AuditEvent.target == former)
        .values(target=username)
    )


def newest_event(session: Session, action: str) -> datetime | None:
    """Return when `action` was last recorded, or None if it never was."""
    newest = select(AuditEvent.created_at).where(AuditEvent.action == action).order_by(AuditEvent.created_at.desc())
    return session.scalar(newest.limit(1))


def list_events(
    session: Session, *, competition_id: UUID | None, cursor: str | None, limit: int
) -> tuple[list[AuditEvent], str | None]:
    """Return a page of events, newest first, and the next cursor; of one competition, or of all."""
    query = select(AuditEvent)
    if competition_id is not None:
        query = query.where(AuditEvent.competition_id == competition_id)
    return fetch_page(session, query, AuditEvent, cursor=cursor, limit=limit)
