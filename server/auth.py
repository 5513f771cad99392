"""Credentials: argon2 passwords, API tokens stored as digests, and who is asking."""

import base64
import binascii
import hashlib
import secrets
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.context import Context, get_context
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


def _bearer(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "bearer" or not value.strip():
        error = Unauthenticated(
            "This call needs an API token: send the header 'Authorization: Bearer TOKEN'. "
            "POST /api/v1/users or POST /api/v1/tokens gives one."
        )
        error.code = "token_missing"
        raise error
    return value.strip()


def current_user(request: Request, context: Annotated[Context, Depends(get_context)]) -> User:
    """Who sends this request, by bearer token."""
    digest = digest_secret(_bearer(request))
    with context.database.read() as session:
        user = session.scalar(select(User).join(ApiToken, ApiToken.user_id == User.id).where(ApiToken.digest == digest))
    if user is None:
        error = Unauthenticated("This API token is unknown or was deleted. Make a new one with POST /api/v1/tokens.")
        error.code = "token_invalid"
        raise error
    return user


def password_or_token_user(request: Request, context: Annotated[Context, Depends(get_context)]) -> User:
    """Who sends this request, by HTTP Basic (so that a lost token can be replaced) or by bearer token."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "basic":
        return current_user(request, context)
    try:
        username, separator, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated("The Basic credentials cannot be decoded.") from error
    if not separator:
        raise Unauthenticated("Basic credentials are base64 of 'username:password'.")
    with context.database.read() as session:
        return verify_password(session, username, password)


def current_worker_key(request: Request, context: Annotated[Context, Depends(get_context)]) -> WorkerKey:
    """The worker key that signs this internal call."""
    digest = digest_secret(_bearer(request))
    with context.database.read() as session:
        key = session.scalar(select(WorkerKey).where(WorkerKey.digest == digest))
    if key is None:
        error = Unauthenticated("Unknown worker key. The operator makes one with: lethe admin worker-key create NAME")
        error.code = "worker_key_invalid"
        raise error
    return key


CurrentUser = Annotated[User, Depends(current_user)]
CurrentWorkerKey = Annotated[WorkerKey, Depends(current_worker_key)]
