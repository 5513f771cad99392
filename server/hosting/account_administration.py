"""What an operator does with accounts, on the database directly; every act is recorded."""

import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.accounts import service
from server.accounts.schemas import NewUser
from server.audit_log.events import record
from server.competitions.service import get_competition
from server.errors import NotFound
from server.models import Competition, CompetitionHost, User
from server.models.times import utc_now
from server.security.passwords import hash_password


class UserNotFound(NotFound):
    """No account has that name."""

    code = "user_not_found"
    title = "No such user"


def create_user(session: Session, new: NewUser) -> User:
    """A new account, whatever the setting for registration says; raises AccountTaken."""
    user = service.add_user(session, new, password_hash=hash_password(new.password))
    record(session, "user.create", user.username)
    return user


def list_users(session: Session) -> list[dict[str, Any]]:
    """Every account by name: when it was made, its roles, and whether it is disabled."""
    hosted: dict[Any, list[str]] = {}
    for user_id, slug in session.execute(
        select(CompetitionHost.user_id, Competition.slug)
        .join(Competition, Competition.id == CompetitionHost.competition_id)
        .order_by(Competition.slug)
    ):
        hosted.setdefault(user_id, []).append(slug)
    return [
        {
            "username": user.username,
            "email": user.email,
            "created_at": user.created_at.isoformat(),
            "operator": user.is_operator,
            "hosts": hosted.get(user.id, []),
            "disabled": user.disabled_at is not None,
        }
        for user in session.scalars(select(User).order_by(User.username_key))
    ]


def set_operator(session: Session, username: str, *, is_operator: bool) -> None:
    """Make an account an operator of the site, or no longer one."""
    _find(session, username).is_operator = is_operator
    record(session, "user.role", username, operator=is_operator)


def set_host(session: Session, username: str, slug: str, *, is_host: bool) -> None:
    """Make an account a host of the competition `slug`, or no longer one."""
    user, competition = _find(session, username), get_competition(session, slug, drafts=True)
    found = session.get(CompetitionHost, (competition.id, user.id))
    if is_host and found is None:
        session.add(CompetitionHost(competition_id=competition.id, user_id=user.id))
    elif not is_host and found is not None:
        session.delete(found)
    record(session, "user.role", username, competition=competition, host=is_host)


def set_disabled(session: Session, username: str, *, is_disabled: bool) -> None:
    """Shut an account out, with every token and session of it, or let it in again; what it sent stays."""
    user = _find(session, username)
    user.disabled_at = utc_now() if is_disabled else None
    if is_disabled:
        service.revoke_access(session, user.id)
    record(session, "user.disable" if is_disabled else "user.enable", username)


def reset_password(session: Session, username: str) -> str:
    """A new random password; every token and session of the account is useless from now on."""
    user = _find(session, username)
    password = secrets.token_urlsafe(12)
    service.set_password(session, user.id, hash_password(password))
    record(session, "user.reset_password", username)
    return password


def invite(session: Session) -> str:
    """The code of a new invitation to register."""
    code = service.invite(session)
    record(session, "user.invite", "registration")
    return code


def _find(session: Session, username: str) -> User:
    user = session.scalar(select(User).where(User.username_key == username.casefold()).with_for_update())
    if user is None:
        raise UserNotFound(f"There is no account called {username[:80]!r}. lethe admin user list shows them.")
    return user
