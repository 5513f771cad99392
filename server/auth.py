"""Credentials: API tokens and worker keys stored as digests, and who is asking."""

import hashlib
import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from sqlalchemy import or_, select, update

from server.accounts.passwords import is_password
from server.context import AppContext, Context
from server.db import utc_now
from server.errors import Forbidden, Unauthenticated
from server.models import ApiToken, User, WorkerKey

TOKEN_PREFIX = "lethe_"  # noqa: S105 - a public prefix that secret scanners can find
WORKER_KEY_PREFIX = "lethew_"
LAST_USE_STEP = timedelta(minutes=1)


class TokenMissing(Unauthenticated):
    """The call needs an API token."""

    code = "token_missing"


class TokenInvalid(Unauthenticated):
    """The API token is unknown, expired or deleted."""

    code = "token_invalid"


class WrongPassword(Unauthenticated):
    """No account has that name and password; which of the two is wrong is not said."""

    code = "wrong_password"


class WorkerKeyInvalid(Unauthenticated):
    """The worker key is unknown."""

    code = "worker_key_invalid"


class AccountDisabled(Forbidden):
    """An operator has disabled the account."""

    code = "account_disabled"
    title = "Account disabled"


def new_secret(prefix: str) -> tuple[str, str]:
    """A fresh secret of 256 bits with its prefix, and the digest to store."""
    text = prefix + secrets.token_urlsafe(32)
    return text, digest_secret(text)


def digest_secret(text: str) -> str:
    """SHA-256 suffices for secrets of 256 random bits; passwords go through argon2."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def verify_password(context: Context, username: str, password: str) -> User:
    """The user with that name and password; raises WrongPassword, after equal time for unknown names."""
    with context.database.read() as session:
        user = session.scalar(select(User).where(User.username_key == username.casefold()))
    if not is_password(password, None if user is None else user.password_hash) or user is None:
        raise WrongPassword("Wrong user name or password.")
    return require_enabled(user)


def require_enabled(user: User) -> User:
    """`user`; raises AccountDisabled."""
    if user.disabled_at is not None:
        raise AccountDisabled("This account is disabled. Ask the operator of this server.")
    return user


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, description="API token"))]
Basic = Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False, description="User and password"))]


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials.strip():
        raise TokenMissing(
            "This call needs an API token: send the header 'Authorization: Bearer TOKEN'. "
            "POST /api/v1/users or POST /api/v1/tokens gives one."
        )
    return credentials.credentials.strip()


def current_user(credentials: Bearer, context: AppContext) -> User:
    """Who sends this request, by bearer token."""
    digest = digest_secret(_token(credentials))
    with context.database.read() as session:
        found = session.execute(
            select(User, ApiToken)
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(ApiToken.digest == digest, ApiToken.expires_at > utc_now())
        ).one_or_none()
    if found is None:
        raise TokenInvalid("This API token is unknown, expired or deleted. Make a new one with POST /api/v1/tokens.")
    user, token = found
    _note_use(context, token)
    return require_enabled(user)


def _note_use(context: Context, token: ApiToken) -> None:
    """Write the time of last use, at most once a minute."""
    before = utc_now() - LAST_USE_STEP
    if token.last_used_at is not None and token.last_used_at > before:
        return
    with context.database.write() as session:
        session.execute(
            update(ApiToken)
            .where(ApiToken.id == token.id, or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < before))
            .values(last_used_at=utc_now())
        )


def password_or_token_user(bearer: Bearer, basic: Basic, context: AppContext) -> User:
    """Who sends this request, by HTTP Basic (so that a lost token can be replaced) or by bearer token."""
    if basic is None:
        return current_user(bearer, context)
    return verify_password(context, basic.username, basic.password)


def current_worker_key(credentials: Bearer, context: AppContext) -> WorkerKey:
    """The worker key that signs this internal call."""
    digest = digest_secret(_token(credentials))
    with context.database.read() as session:
        key = session.scalar(select(WorkerKey).where(WorkerKey.digest == digest))
    if key is None:
        raise WorkerKeyInvalid("Unknown worker key. The operator makes one with: lethe admin worker-key create NAME")
    return key


CurrentUser = Annotated[User, Depends(current_user)]
CurrentWorkerKey = Annotated[WorkerKey, Depends(current_worker_key)]
