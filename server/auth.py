"""Credentials: argon2 passwords, API tokens stored as digests, and who is asking."""

import hashlib
import secrets
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.context import AppContext
from server.errors import Unauthenticated
from server.models import ApiToken, User, WorkerKey

TOKEN_PREFIX = "lethe_"  # noqa: S105 - a public prefix that secret scanners can find
WORKER_KEY_PREFIX = "lethew_"
_HASHER = PasswordHasher()
_UNKNOWN_USER_HASH = _HASHER.hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    """The argon2id hash of `password`."""
    return _HASHER.hash(password)


def new_secret(prefix: str) -> tuple[str, str]:
    """A fresh secret of 256 bits with its prefix, and the digest to store."""
    text = prefix + secrets.token_urlsafe(32)
    return text, digest_secret(text)


def digest_secret(text: str) -> str:
    """SHA-256 suffices for secrets of 256 random bits; passwords go through argon2."""
    return hashlib.sha256(text.encode()).hexdigest()


def verify_password(session: Session, username: str, password: str) -> User:
    """The user with that name and password; raises Unauthenticated, after equal time for unknown names."""
    user = session.scalar(select(User).where(User.username_key == username.casefold()))
    try:
        _HASHER.verify(user.password_hash if user else _UNKNOWN_USER_HASH, password)
    except (VerificationError, InvalidHashError):
        user = None
    if user is None:
        raise Unauthenticated("Wrong user name or password.")
    return user


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, description="API token"))]
Basic = Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False, description="User and password"))]


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials.strip():
        error = Unauthenticated(
            "This call needs an API token: send the header 'Authorization: Bearer TOKEN'. "
            "POST /api/v1/users or POST /api/v1/tokens gives one."
        )
        error.code = "token_missing"
        raise error
    return credentials.credentials.strip()


def current_user(credentials: Bearer, context: AppContext) -> User:
    """Who sends this request, by bearer token."""
    digest = digest_secret(_token(credentials))
    with context.database.read() as session:
        user = session.scalar(select(User).join(ApiToken, ApiToken.user_id == User.id).where(ApiToken.digest == digest))
    if user is None:
        error = Unauthenticated("This API token is unknown or was deleted. Make a new one with POST /api/v1/tokens.")
        error.code = "token_invalid"
        raise error
    return user


def password_or_token_user(bearer: Bearer, basic: Basic, context: AppContext) -> User:
    """Who sends this request, by HTTP Basic (so that a lost token can be replaced) or by bearer token."""
    if basic is None:
        return current_user(bearer, context)
    with context.database.read() as session:
        return verify_password(session, basic.username, basic.password)


def current_worker_key(credentials: Bearer, context: AppContext) -> WorkerKey:
    """The worker key that signs this internal call."""
    digest = digest_secret(_token(credentials))
    with context.database.read() as session:
        key = session.scalar(select(WorkerKey).where(WorkerKey.digest == digest))
    if key is None:
        error = Unauthenticated("Unknown worker key. The operator makes one with: lethe admin worker-key create NAME")
        error.code = "worker_key_invalid"
        raise error
    return key


CurrentUser = Annotated[User, Depends(current_user)]
CurrentWorkerKey = Annotated[WorkerKey, Depends(current_worker_key)]
