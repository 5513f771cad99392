"""What an operator does with accounts, on the database directly; every action is recorded."""

import secrets
from typing import Any

from sqlalchemy.orm import Session

from lethe.server.accounts import service
from lethe.server.accounts.addresses import set_address
from lethe.server.accounts.schemas import NewUser
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition
from lethe.server.errors import NotFound
from lethe.server.hosting import queries
from lethe.server.hosting.personal_data import delete_account
from lethe.server.models import CompetitionHost, User
from lethe.server.models.times import utc_now
from lethe.server.security.passwords import hash_password
from lethe.server.teams.service import find_team


class UserNotFound(NotFound):
    """No account has that name."""

    code = "user_not_found"
    title = "No such user"


def create_user(session: Session, new: NewUser) -> User:
    """Create an account, whatever the setting for registration says; raises AccountTaken."""
    user = service.add_user(session, new, password_hash=hash_password(new.password))
    record(session, "user.create", user.username)
    return user


def list_users(session: Session) -> list[dict[str, Any]]:
    """Return every account by name: when it was created, its roles, and whether it is disabled."""
    hosted = queries.hosted_slugs(session)
    return [
        {
            "username": user.username,
            "email": user.email,
            "created_at": user.created_at.isoformat(),
            "operator": user.is_operator,
            "hosts": hosted.get(user.id, []),
            "disabled": user.disabled_at is not None,
        }
        for user in queries.users(session)
    ]


def set_operator(session: Session, username: str, *, is_operator: bool) -> None:
    """Make an account an operator of the site, or take the role away."""
    user = _lock_user(session, username)
    user.is_operator = is_operator
    record(session, "user.role", user.username, operator=is_operator)


def set_host(session: Session, username: str, slug: str, *, is_host: bool) -> str | None:
    """Make an account a host of the competition `slug`, or take the role away.

    Return the name of the new host's team there, unless it is a baseline: hosts see what is hidden from other teams.
    """
    user, competition = _lock_user(session, username), get_competition(session, slug, drafts=True)
    role = session.get(CompetitionHost, (competition.id, user.id))
    if is_host and role is None:
        session.add(CompetitionHost(competition_id=competition.id, user_id=user.id))
    elif not is_host and role is not None:
        session.delete(role)
    record(session, "user.role", user.username, competition=competition, host=is_host)
    team = find_team(session, competition, user) if is_host else None
    return None if team is None or team.is_baseline else team.name


def set_disabled(session: Session, username: str, *, is_disabled: bool) -> None:
    """Disable an account and revoke its tokens and sessions, or enable it again; its submissions stay."""
    user = _lock_user(session, username)
    user.disabled_at = utc_now() if is_disabled else None
    if is_disabled:
        service.revoke_access(session, user.id)
    record(session, "user.disable" if is_disabled else "user.enable", user.username)


def reset_password(session: Session, username: str) -> str:
    """Set and return a new random password; the account's tokens and sessions are revoked."""
    user = _lock_user(session, username)
    password = secrets.token_urlsafe(12)
    service.set_password(session, user.id, hash_password(password))
    record(session, "user.reset_password", user.username)
    return password


def set_email(session: Session, username: str, email: str) -> None:
    """Store another address for an account, unconfirmed; raises AccountTaken."""
    user = _lock_user(session, username)
    set_address(session, user, email)
    record(session, "user.email", user.username)


def delete_user(session: Session, username: str) -> None:
    """Delete an account as its owner can; raises LastOperator."""
    delete_account(session, _lock_user(session, username).id)


def invite(session: Session) -> str:
    """Return the code of a new invitation to register."""
    code = service.invite(session)
    record(session, "user.invite", "registration")
    return code


def _lock_user(session: Session, username: str) -> User:
    user = queries.lock_user(session, username)
    if user is None:
        raise UserNotFound(f"There is no account called {username[:80]!r}. lethe admin user list shows them.")
    return user
