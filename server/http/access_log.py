"""One log line and one measurement per request: its id and the route's template, but nothing that could be secret."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lethe.server.http.protocol import RECEIVED_AT
from lethe.server.logs import get_logger

log = get_logger("lethe.access")

STATIC = "/static"
UNMATCHED = "unmatched"
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", STATIC})
SHOWN_PARAMETERS = frozenset({"slug", "submission_id", "team_id"})
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestTimes:
    """The latency histogram of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._histogram = Histogram(
            "lethe_request_seconds",
            "Time from the last byte of a request to the first byte of its answer, in this process",
            ["method", "route", "status"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, wall_s: float) -> None:
        # Clients choose the method, and each one would become a time series.
        known = method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
        self._histogram.labels(known, route, f"{status // 100}xx").observe(wall_s)


class AccessLog:
    """ASGI middleware around all that answers: gives the request an id, returns it in a header, measures and logs."""

    def __init__(self, app: ASGIApp, *, times: RequestTimes) -> None:
        self._app = app
        self._times = times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        started = time.monotonic()
        status, answered_s = 500, None

        async def watched(message: Message) -> None:
            nonlocal status, answered_s
            if message["type"] == "http.response.start":
                since = scope.get("state", {}).get(RECEIVED_AT, started)  # a slow connection is not a slow server
                status, answered_s = message["status"], time.monotonic() - since
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode())]}
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, watched)
            finally:
                route = route_template(scope)
                wall_s = time.monotonic() - started
                self._times.observe(scope["method"], route, status, wall_s if answered_s is None else answered_s)
                if route not in QUIET_ROUTES or status >= 500:
                    log.info(
                        "request",
                        method=scope["method"][:20],
                        route=route,
                        **_shown_parameters(scope.get("path_params") or {}),
                        status=status,
                        wall_ms=round(1000 * wall_s, 1),
                        client=(scope.get("client") or ("",))[0],
                    )


def route_template(scope: Mapping[str, Any]) -> str:
    """Return the route that answered, such as `/api/v1/submissions/{submission_id}`: one of a bounded set of names."""
    if scope.get("root_path") == STATIC:
        return STATIC
    if "endpoint" not in scope:
        return UNMATCHED
    segments = str(scope["path"]).split("/")
    own = str(getattr(scope.get("route"), "path", "")).split("/")[1:]
    # The route of an included router has its path without the prefix, which has no parameters.
    return "/".join([*segments[: len(segments) - len(own)], *own])


def _shown_parameters(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Select public names and ids; invitation codes and parameters of later routes stay out of the log."""
    return {name: str(value)[:64] for name, value in parameters.items() if name in SHOWN_PARAMETERS}
