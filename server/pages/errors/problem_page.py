"""Errors as pages, for browsers that asked for a page."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import HTMLResponse

from server.pages.rendering import READ, SECURITY_HEADERS, render

AWAY_RETRY_S = 15


def render_away(request: Request) -> HTMLResponse:
    """The page while something that Lethe needs is away, which a browser asks for again by itself.

    Only what was asked for by reading: a form that was not taken must not look as if it were sent again.
    """
    is_read = request.method in READ
    headers = {**SECURITY_HEADERS, "Retry-After": str(AWAY_RETRY_S), "Cache-Control": "no-store", "Vary": "Accept"}
    if is_read:
        headers["Refresh"] = str(AWAY_RETRY_S)
    return HTMLResponse(render("errors/away.html", is_read=is_read), status_code=503, headers=headers)


def render_problem(
    request: Request, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """The error as a page with `status`; `headers` such as Retry-After are kept. Touches neither database nor store."""
    return HTMLResponse(
        render("errors/problem.html", status=status, title=title, detail=detail, path=request.url.path),
        status_code=status,
        headers={**(headers or {}), **SECURITY_HEADERS, "Cache-Control": "no-store", "Vary": "Accept"},
    )
