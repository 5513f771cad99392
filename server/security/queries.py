"""SQL of credentials: who owns a token, a session or a worker key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, or_, select, update
from sqlalchemy.orm import Session

from lethe.server.database.statements import prepared
from lethe.server.models import ApiToken, Competition, CompetitionHost, KnownAddress, User, WebSession, WorkerKey


@prepared
def owner_of_token() -> Select[User, ApiToken]:
    """The owner of an unexpired token, and the token, by its `digest` at the time `now`."""
    return (
        select(User, ApiToken)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.digest == bindparam("digest"), ApiToken.expires_at > bindparam("now"))
    )


@prepared
def visitor_of_session() -> Select[User, UUID, datetime]:
    """An enabled user, and id and beginning of an unexpired session, by its `digest` at the time `now`."""
    return (
        select(User, WebSession.id, WebSession.created_at)
        .join(WebSession, WebSession.user_id == User.id)
        .where(
            WebSession.digest == bindparam("digest"),
            WebSession.expires_at > bindparam("now"),
            User.disabled_at.is_(None),
        )
    )


@prepared
def hosted_slugs() -> Select[str]:
    """The slugs of the competitions that the user `user_id` hosts."""
    return (
        select(Competition.slug)
        .join(CompetitionHost, CompetitionHost.competition_id == Competition.id)
        .where(CompetitionHost.user_id == bindparam("user_id"))
        .order_by(Competition.slug)
    )


def note_use_of_token(session: Session, token_id: UUID, *, now: datetime, unless_after: datetime) -> None:
    """Store `now` as a token's last use, unless a use after `unless_after` is stored."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id, or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < unless_after))
        .values(last_used_at=now)
    )


def worker_key(session: Session, digest: str) -> WorkerKey | None:
    """Return the worker key with this digest, or None."""
    return session.scalar(select(WorkerKey).where(WorkerKey.digest == digest))


def user_named(session: Session, username: str) -> User | None:
    """Return the user with this name, whatever its case, or None."""
    return session.scalar(select(User).where(User.username_key == username.casefold()))


def find_known_address(session: Session, digest: str) -> KnownAddress | None:
    """Return the address with this digest, or None."""
    return session.get(KnownAddress, digest)


def forget_known_addresses(session: Session, user_id: UUID, *, kept: int) -> None:
    """Delete the known addresses of an account but the `kept` that were used last."""
    oldest = session.scalars(
        select(KnownAddress).where(KnownAddress.user_id == user_id).order_by(KnownAddress.seen_at.desc()).offset(kept)
    )
    for found in oldest:
        session.delete(found)


def make_room_for_session(session: Session, user_id: UUID, *, now: datetime, kept: int) -> None:
    """Delete the expired sessions of an account, and of the others all but the `kept` newest."""
    session.execute(delete(WebSession).where(WebSession.user_id == user_id, WebSession.expires_at < now))
    oldest = session.scalars(
        select(WebSession).where(WebSession.user_id == user_id).order_by(WebSession.created_at.desc()).offset(kept)
    )
    for found in oldest:
        session.delete(found)


def delete_session(session: Session, session_id: UUID) -> None:
    """Delete a browser's session."""
    session.execute(delete(WebSession).where(WebSession.id == session_id))
