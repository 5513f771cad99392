"""Rules of accounts: registration, unique names and addresses, and tokens."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lethe.server.accounts import queries
from lethe.server.accounts.names import skeleton
from lethe.server.accounts.schemas import NewPerson
from lethe.server.database.paging import fetch_page
from lethe.server.errors import Conflict, Forbidden, NotFound
from lethe.server.mail import queries as mail_queries
from lethe.server.models import ApiToken, RegistrationInvite, User
from lethe.server.models.times import utc_now
from lethe.server.security.credentials import TOKEN_PREFIX
from lethe.server.security.digests import digest_secret, new_secret
from lethe.server.settings import Registration

INVITE_PREFIX = "lethej_"
INVITE_DAYS = 14
FIRST_TOKEN_DAYS = 365
MAX_TOKENS = 50


class AccountTaken(Conflict):
    """The user name or the e-mail address is in use."""

    code = "account_taken"
    title = "Account taken"


class RegistrationClosed(Forbidden):
    """Nobody can register here."""

    code = "registration_closed"
    title = "Registration is closed"


class InviteNeeded(Forbidden):
    """Registration needs an invitation, and the request has no valid one."""

    code = "invite_needed"
    title = "Invitation needed"


class TokenNotFound(NotFound):
    """Not one of the user's tokens."""

    code = "token_not_found"
    title = "No such token"


class TooManyTokens(Conflict):
    """An account has a bounded number of tokens."""

    code = "too_many_tokens"
    title = "Too many tokens"


def register(session: Session, new: NewPerson, *, password_hash: str, registration: Registration) -> User:
    """Store a new user; raises AccountTaken, RegistrationClosed, InviteNeeded.

    The caller hashes the password before the transaction, which on SQLite would delay every other writer.
    """
    if registration == "closed":
        raise RegistrationClosed("Registration is closed on this server. Ask its operator for an account.")
    invite = _open_invite(session, new.invite) if registration == "invite-only" else None
    user = add_user(session, new, password_hash=password_hash)
    if invite is not None:
        invite.user_id = user.id
    return user


def add_user(session: Session, new: NewPerson, *, password_hash: str) -> User:
    """Store a new user, whatever the setting for registration; raises AccountTaken."""
    user = User(
        username=new.username,
        username_key=new.username.casefold(),
        username_skeleton=skeleton(new.username),
        email=new.email,
        email_key=new.email.casefold(),
        password_hash=password_hash,
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:
        raise AccountTaken(
            "This user name, one that looks like it, or the e-mail address is taken. Choose another name, or get a "
            "token for your account with POST /api/v1/tokens and HTTP Basic credentials."
        ) from error
    return user


def _open_invite(session: Session, code: str | None) -> RegistrationInvite:
    invite = queries.lock_open_invite(session, digest_secret(code or ""), utc_now())
    if invite is None:
        raise InviteNeeded(
            "Registration is by invitation. Send a code from the operator of this server as `invite`; "
            "it works once, for two weeks."
        )
    return invite


def invite(session: Session) -> str:
    """Store an invitation to register and return its code, which works once within `INVITE_DAYS`."""
    text, digest = new_secret(INVITE_PREFIX)
    session.add(RegistrationInvite(digest=digest, expires_at=utc_now() + timedelta(days=INVITE_DAYS)))
    return text


def create_token(
    session: Session, user_id: UUID, name: str, *, days: int, not_after: datetime | None = None
) -> tuple[ApiToken, str]:
    """Store a token and return it with its text, which is not stored. Deletes expired tokens; raises TooManyTokens.

    It expires at `not_after` at the latest: that of the token it was asked for with, so that one which leaked cannot
    outlive itself.
    """
    now = utc_now()
    queries.lock_user(session, user_id)
    queries.delete_expired_tokens(session, user_id, now)
    if queries.count_tokens(session, user_id) >= MAX_TOKENS:
        raise TooManyTokens(f"You have {MAX_TOKENS} tokens. Delete one with DELETE /api/v1/tokens/{{id}}.")
    text, digest = new_secret(TOKEN_PREFIX)
    expires_at = min(now + timedelta(days=days), not_after or datetime.max.replace(tzinfo=UTC))
    token = ApiToken(user_id=user_id, name=name, digest=digest, expires_at=expires_at)
    session.add(token)
    session.flush()
    return token, text


def list_tokens(
    session: Session, user_id: UUID, *, cursor: str | None, limit: int
) -> tuple[list[ApiToken], str | None]:
    """Return a page of the user's tokens, newest first, and the next cursor."""
    return fetch_page(session, queries.tokens_of(user_id), ApiToken, cursor=cursor, limit=limit)


def delete_token(session: Session, user_id: UUID, token_id: UUID) -> None:
    """Delete a token; raises TokenNotFound for one that is not the user's."""
    token = queries.token_of(session, user_id, token_id)
    if token is None:
        raise TokenNotFound("You have no token with this id. GET /api/v1/tokens lists yours.")
    session.delete(token)


def set_password(session: Session, user_id: UUID, password_hash: str) -> None:
    """Store a new password's hash, and end every token and session of the account."""
    user = session.get_one(User, user_id, with_for_update=True)
    user.password_hash = password_hash
    revoke_access(session, user_id)


def revoke_access(session: Session, user_id: UUID) -> None:
    """End every session, delete every token of the account, and end the links that were mailed for it.

    Otherwise whoever got into an account could still make an address of theirs the account's.
    """
    queries.delete_tokens_and_sessions(session, user_id)
    mail_queries.delete_links(session, user_id)
