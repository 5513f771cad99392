"""Errors as pages, for browsers that accept HTML."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import HTMLResponse

from lethe.server.http.sub_path import root_path
from lethe.server.pages.rendering import SECURITY_HEADERS, render
from lethe.server.security.sessions import cookie_name

AWAY_RETRY_S = 15


def render_away(request: Request) -> HTMLResponse:
    """Return the page for an outage of something that Lethe needs; after a read, the browser retries by itself.

    A form that was not accepted is not retried: it must not look as if it had been sent again.
    """
    is_read = request.method == "GET"
    headers = {**SECURITY_HEADERS, "Retry-After": str(AWAY_RETRY_S), "Cache-Control": "no-store", "Vary": "Accept"}
    if is_read:
        headers["Refresh"] = str(AWAY_RETRY_S)
    page = render(root_path(request), "errors/away.html", is_read=is_read, has_session=_has_session(request))
    return HTMLResponse(page, status_code=503, headers=headers)


def render_problem(
    request: Request, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Return the error as a page with `status` and `headers` such as Retry-After. Uses neither database nor store."""
    return HTMLResponse(
        render(
            root_path(request),
            "errors/problem.html",
            status=status,
            title=title,
            detail=detail,
            path=f"{root_path(request)}{request.url.path}",
            has_session=_has_session(request),
        ),
        status_code=status,
        headers={**(headers or {}), **SECURITY_HEADERS, "Cache-Control": "no-store", "Vary": "Accept"},
    )


def _has_session(request: Request) -> bool:
    """Return whether the browser sent a session's cookie, without asking the database whether it is one."""
    return cookie_name(request.base_url, root_path(request)) in request.cookies
