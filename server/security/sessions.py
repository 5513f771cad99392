"""Browser sessions: an opaque cookie, stored as a digest, and the defences against other sites."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Form, Request, Response
from fastapi.security import APIKeyCookie
from sqlalchemy.orm import Session
from starlette.datastructures import URL
from starlette.requests import HTTPConnection

from lethe.server.context import AppContext, Context
from lethe.server.errors import Forbidden, Unauthenticated
from lethe.server.http.sub_path import root_path
from lethe.server.models import User, WebSession
from lethe.server.models.times import utc_now
from lethe.server.security import queries
from lethe.server.security.digests import digest_secret, new_secret

COOKIE = "lethe_session"
"""What the name of every session's cookie contains."""
CSRF_HEADER = "X-CSRF-Token"
KEPT = timedelta(days=14)
MAX_SESSIONS = 20
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class _SessionCookie(APIKeyCookie):
    """Reads the cookie by the name that it has on the request's site."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        """Return the cookie's text, or None."""
        return request.cookies.get(cookie_name(request.url, root_path(request)))


SessionCookie = Annotated[
    str | None,
    Depends(
        _SessionCookie(name=COOKIE, scheme_name="APIKeyCookie", auto_error=False, description="A browser's session")
    ),
]


class SessionMissing(Unauthenticated):
    """Nobody is logged in with this browser."""

    code = "session_missing"


class CrossSiteRequest(Forbidden):
    """The request came from another site's page, or lacks the proof that it did not."""

    code = "cross_site_request"
    title = "Request from elsewhere"


@dataclass(frozen=True)
class Visitor:
    """The user that a browser is logged in as since `began_at`. Every form for them carries `csrf_token`."""

    user: User
    session_id: UUID
    csrf_token: str
    began_at: datetime
    hosted: frozenset[str] = frozenset()
    """Slugs of the competitions that the user hosts; an operator hosts all, without an entry here."""


def begin(session: Session, user_id: UUID) -> str:
    """Start a session and return its cookie's text. Deletes expired sessions, and the oldest above MAX_SESSIONS."""
    queries.make_room_for_session(session, user_id, now=utc_now(), kept=MAX_SESSIONS - 1)
    text, digest = new_secret("")
    session.add(WebSession(user_id=user_id, digest=digest, expires_at=utc_now() + KEPT))
    return text


def end(session: Session, session_id: UUID) -> None:
    """End a session."""
    queries.delete_session(session, session_id)


def csrf_token(text: str) -> str:
    """Return the CSRF token of a session, derived from the cookie, which no other site can read."""
    return hmac.new(text.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def cookie_name(url: URL, root: str, base: str = COOKIE) -> str:
    """Return the name of a cookie, the session's, on a site below the path `root`, of which `url` is any address.

    Browsers share cookies among the ports of a host, and send those of `/` to all of it, so port and sub-path are part
    of the name. Under TLS, browsers take a cookie `__Host-…` from this host alone, never from a neighbour in the same
    domain; below a sub-path, where that prefix is not allowed, they take one with `__Secure-` over TLS only.
    """
    name = "_".join([base, *([str(url.port)] if url.port else []), *root.split("/")[1:]])
    if url.scheme != "https":
        return name
    return f"__Secure-{name}" if root else f"__Host-{name}"


def set_cookie(request: Request, response: Response, text: str, *, base: str = COOKIE, kept: timedelta = KEPT) -> None:
    """Set a cookie, the session's. Only a server without TLS, such as one on a laptop, leaves `Secure` out."""
    response.set_cookie(
        cookie_name(request.url, root_path(request), base),
        text,
        max_age=int(kept.total_seconds()),
        path=root_path(request) or "/",
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )


def clear_cookie(request: Request, response: Response, *, base: str = COOKIE) -> None:
    """Delete a cookie, the session's."""
    response.delete_cookie(
        cookie_name(request.url, root_path(request), base),
        path=root_path(request) or "/",
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="lax",
    )


def find_visitor(context: Context, text: str) -> Visitor | None:
    """Return the visitor with this cookie; None if it is unknown or expired, or the account is disabled."""
    with context.database.read() as session:
        found = queries.visitor_of_session.entities(session, digest=digest_secret(text), now=utc_now()).one_or_none()
        if found is None:
            return None
        hosted = frozenset(queries.hosted_slugs.rows(session, user_id=found[0].id).scalars())
    return Visitor(user=found[0], session_id=found[1], csrf_token=csrf_token(text), began_at=found[2], hosted=hosted)


def optional_visitor(cookie: SessionCookie, context: AppContext) -> Visitor | None:
    """Return the visitor, or None if nobody is logged in."""
    return find_visitor(context, cookie) if cookie else None


def required_visitor(visitor: Annotated[Visitor | None, Depends(optional_visitor)]) -> Visitor:
    """Return the visitor; raises SessionMissing."""
    if visitor is None:
        raise SessionMissing("You are not logged in. Log in at /login, or with POST /api/v1/session.")
    return visitor


def form_visitor(
    request: Request,
    visitor: Annotated[Visitor, Depends(required_visitor)],
    csrf_token: Annotated[str, Form(max_length=100)] = "",
) -> Visitor:
    """Return the visitor who posts a form with a valid `csrf_token`; raises CrossSiteRequest."""
    require_proof(request, visitor, csrf_token)
    return visitor


def require_proof(request: Request, visitor: Visitor, sent: str) -> None:
    """Raise CrossSiteRequest unless the request comes from this site and `sent` is the session's CSRF token."""
    require_same_origin(request)
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), visitor.csrf_token.encode()):
        raise CrossSiteRequest(
            f"A change with a session needs its CSRF token: the form's field csrf_token, or the header {CSRF_HEADER}."
        )


def require_same_origin(request: Request) -> None:
    """Raise CrossSiteRequest when the browser reports another site as the origin; other clients report none."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_foreign = site not in {None, "same-origin", "none"}
    if site is None and origin is not None:
        is_foreign = urlsplit(origin).netloc != request.headers.get("host", "")
    if is_foreign:
        raise CrossSiteRequest("This request was sent from a page of another site.")


OptionalVisitor = Annotated[Visitor | None, Depends(optional_visitor)]
RequiredVisitor = Annotated[Visitor, Depends(required_visitor)]
FormVisitor = Annotated[Visitor, Depends(form_visitor)]
SameOrigin = Annotated[None, Depends(require_same_origin)]
