"""Errors as pages, for browsers that asked for a page."""

from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import HTMLResponse

from server.pages.rendering import READ, SECURITY_HEADERS, render

AWAY_RETRY_S = 15
MACHINE_PATHS = ("/api", "/internal", "/healthz", "/readyz", "/metrics", "/openapi.json")


def wants_html(request: Request) -> bool:
    """Whether an error should be a page: the path is one for people, and Accept prefers HTML to JSON.

    `*/*` alone, which curl sends, does not count as asking for HTML.
    """
    path = request.url.path
    if any(path == root or path.startswith(f"{root}/") for root in MACHINE_PATHS):
        return False
    weights = _weights(request.headers.get("accept", ""))
    html = max(weights.get("text/html", 0.0), weights.get("application/xhtml+xml", 0.0))
    return html > 0 and html >= max(weights.get("application/json", 0.0), weights.get("application/problem+json", 0.0))


def render_away(request: Request) -> HTMLResponse:
    """The page while something that Lethe needs is away, which a browser asks for again by itself.

    Only what was asked for by reading: a form that was not taken must not look as if it were sent again.
    """
    is_read = request.method in READ
    headers = {**SECURITY_HEADERS, "Retry-After": str(AWAY_RETRY_S), "Cache-Control": "no-store", "Vary": "Accept"}
    if is_read:
        headers["Refresh"] = str(AWAY_RETRY_S)
    return HTMLResponse(render("away.html", is_read=is_read), status_code=503, headers=headers)


def render_problem(
    request: Request, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """The error as a page with `status`; `headers` such as Retry-After are kept. Touches neither database nor store."""
    return HTMLResponse(
        render("problem.html", status=status, title=title, detail=detail, path=request.url.path),
        status_code=status,
        headers={**(headers or {}), **SECURITY_HEADERS, "Cache-Control": "no-store", "Vary": "Accept"},
    )


def _weights(accept: str) -> dict[str, float]:
    """Media types of an Accept header with their q; an unreadable q counts as 0."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        media, *parameters = (piece.strip().casefold() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[media] = weight
    return weights
