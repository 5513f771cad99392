"""Whether an answer should be a page for people or a document for programs."""

from fastapi import Request

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
