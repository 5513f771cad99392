"""Credentials: API tokens and worker keys stored as digests, and the user behind a request."""

from base64 import b64decode
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from lethe.server.context import AppContext, Context
from lethe.server.errors import Unauthenticated
from lethe.server.http.client_address import client_address
from lethe.server.models import ApiToken, User, WorkerKey
from lethe.server.models.times import utc_now
from lethe.server.security import queries
from lethe.server.security.digests import digest_secret
from lethe.server.security.login import check_password, require_enabled
from lethe.server.security.sessions import (
    CSRF_HEADER,
    SAFE_METHODS,
    SessionCookie,
    SessionMissing,
    find_visitor,
    require_proof,
)

TOKEN_PREFIX = "lethe_"  # noqa: S105 - a public prefix that secret scanners can find
LAST_USE_STEP = timedelta(minutes=1)


class TokenMissing(Unauthenticated):
    """The call needs an API token."""

    code = "token_missing"


class TokenInvalid(Unauthenticated):
    """The API token is unknown, expired or deleted."""

    code = "token_invalid"


class BasicInvalid(Unauthenticated):
    """The header of HTTP Basic cannot be read."""

    code = "basic_invalid"


class WorkerKeyInvalid(Unauthenticated):
    """The worker key is unknown."""

    code = "worker_key_invalid"


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False, description="API token"))]


class _Utf8Basic(HTTPBasic):
    """HTTP Basic in UTF-8, as RFC 7617 allows; FastAPI's takes ASCII only."""

    async def __call__(self, request: HTTPConnection) -> HTTPBasicCredentials | None:  # type: ignore[override]
        """Return user name and password, or None without the header; raises BasicInvalid."""
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = b64decode(sent.strip(), validate=True).decode("utf-8").partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise BasicInvalid("HTTP Basic credentials are the Base64 of USER:PASSWORD in UTF-8 (RFC 7617).")
        return HTTPBasicCredentials(username=name, password=password)


Basic = Annotated[
    HTTPBasicCredentials | None,
    Depends(_Utf8Basic(scheme_name="HTTPBasic", auto_error=False, description="User and password, in UTF-8")),
]


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None or not credentials.credentials.strip():
        raise TokenMissing(
            "This call needs an API token: send the header 'Authorization: Bearer TOKEN'. "
            "Get one with POST /api/v1/users or POST /api/v1/tokens."
        )
    return credentials.credentials.strip()


def current_user(request: Request, credentials: Bearer, cookie: SessionCookie, context: AppContext) -> User:
    """Return the user of the bearer token, or of the browser's session, whose changes need its CSRF token."""
    if credentials is not None or not cookie:
        return _token_user(credentials, context)
    visitor = find_visitor(context, cookie)
    if visitor is None:
        raise SessionMissing("Your session has ended. Log in again.")
    if request.method not in SAFE_METHODS:
        require_proof(request, visitor, request.headers.get(CSRF_HEADER, ""))
    return visitor.user


def _token_user(credentials: HTTPAuthorizationCredentials | None, context: Context) -> User:
    digest = digest_secret(_token(credentials))
    with context.database.read() as session:
        found = queries.owner_of_token.entities(session, digest=digest, now=utc_now()).one_or_none()
    if found is None:
        raise TokenInvalid("This API token is unknown, expired or deleted. Create one with POST /api/v1/tokens.")
    user, token = found
    _note_use(context, token)
    return require_enabled(user)


def _note_use(context: Context, token: ApiToken) -> None:
    """Store the time of last use, at most once a minute."""
    before = utc_now() - LAST_USE_STEP
    if token.last_used_at is not None and token.last_used_at > before:
        return
    with context.database.write() as session:
        queries.note_use_of_token(session, token.id, now=utc_now(), unless_after=before)


async def password_or_token_user(
    request: Request, bearer: Bearer, basic: Basic, cookie: SessionCookie, context: AppContext
) -> User:
    """Return the user by HTTP Basic, so that a lost token can be replaced, or by `current_user`."""
    if basic is None:
        return await run_in_threadpool(current_user, request, bearer, cookie, context)
    return await check_password(context, basic.username, basic.password, address=client_address(request.scope))


def token_expiry(bearer: Bearer, basic: Basic, context: AppContext) -> datetime | None:
    """Return when the token of this request expires; None if it has none, or a password beside it."""
    if bearer is None or basic is not None:
        return None
    with context.database.read() as session:
        digest = digest_secret(_token(bearer))
        found = queries.owner_of_token.entities(session, digest=digest, now=utc_now()).one_or_none()
    return None if found is None else found[1].expires_at


async def worker_key_digest(credentials: Bearer) -> str:
    """Return the digest of the key that signs this internal call. The call's own transaction looks the key up."""
    return digest_secret(_token(credentials))


def require_worker_key(session: Session, digest: str) -> WorkerKey:
    """Return the worker key with this digest; raises WorkerKeyInvalid."""
    key = queries.worker_key(session, digest)
    if key is None:
        raise WorkerKeyInvalid("Unknown worker key. The operator creates one with: lethe admin worker-key create NAME")
    return key


WorkerKeyDigest = Annotated[str, Depends(worker_key_digest)]


def current_worker_key(digest: WorkerKeyDigest, context: AppContext) -> WorkerKey:
    """Return the worker key that signs this internal call."""
    with context.database.read() as session:
        return require_worker_key(session, digest)


TokenExpiry = Annotated[datetime | None, Depends(token_expiry)]
CurrentUser = Annotated[User, Depends(current_user)]
CurrentWorkerKey = Annotated[WorkerKey, Depends(current_worker_key)]
