"""What is stored about a person: handed out, and deleted."""

import secrets
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.server.accounts import service as accounts
from lethe.server.audit_log.events import record, rename_person, user_actor
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.hosting import personal_queries as queries
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import MailPreference, Team, User
from lethe.server.models.times import utc_now
from lethe.server.teams import service as teams

DELETED = "deleted-"
"""How the names of deleted accounts begin."""


class LastOperator(Conflict):
    """The only operator of a site cannot delete their account."""

    code = "last_operator"
    title = "Last operator"


def personal_data(session: Session, user: User) -> dict[str, Any]:
    """Return what is stored about `user` as a JSON document, without digests of secrets."""
    told = session.get(MailPreference, user.id)
    return {
        "account": {
            "username": user.username,
            "email": user.email,
            "email_confirmed_at": None if told is None or told.confirmed_at is None else told.confirmed_at.isoformat(),
            "notices": [] if told is None else told.notices,
            "daily_digest": told is None or told.is_daily,
            "is_operator": user.is_operator,
            "created_at": user.created_at.isoformat(),
        },
        **queries.rows_about(session, user),
    }


def delete_account(session: Session, user_id: UUID, *, actor: str | None = None) -> None:
    """Delete what tells who somebody was: name, address, password, tokens, sessions, choices.

    Submissions and standings stay, under a name that says nothing. Teams without a submission are left, and those in
    which the person was alone end. The audit log keeps the act without the person. Without `actor` the command line
    deletes. Raises LastOperator.
    """
    # Before the account itself: two operators who leave at the same time lock each other in one order, and one stays.
    is_last = [one.id for one in queries.lock_operators(session)] == [user_id]
    user = session.get_one(User, user_id, with_for_update=True)
    if is_last:
        raise LastOperator("This is the only operator of the site. Make somebody else an operator first.")
    former, name = user.username, f"{DELETED}{secrets.token_hex(6)}"
    for team in teams.list_own(session, user):
        _leave(session, team, user, name)
    accounts.revoke_access(session, user.id)
    queries.delete_rows_about(session, user)
    user.username, user.username_key, user.username_skeleton = name, name, None
    user.email, user.email_key = "", f"{user.id.hex}@deleted"
    user.password_hash, user.is_operator, user.disabled_at = "", False, utc_now()
    rename_person(session, former, name)
    record(session, "user.delete", name, actor=f"user:{name}" if actor == f"user:{former}" else actor)


def delete_own_account(context: Context, user: User) -> None:
    """Delete the account of somebody who asked for it."""
    with context.database.write() as session:
        delete_account(session, user.id, actor=user_actor(user))


def _leave(session: Session, team: Team, user: User, name: str) -> None:
    """Take `user` out of a team that has not submitted; a team of one is called by their name no longer."""
    if not teams.has_submitted(session, team):
        teams.leave(session, team, user)
        return
    if team.name_key.startswith(user.username_key) and queries.is_alone(session, team.id):
        team.name = team.name_key = name
        team.name_skeleton = None
        mark_board_changed(session, team.competition_id)
