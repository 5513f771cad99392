"""Rate limits for addresses, tokens and logins, counted in memory, or in Redis if that is the broker."""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.problem_document import problem
from lethe.server.logs import get_logger

log = get_logger(__name__)
Answer = TypeVar("Answer")

REDIS_TIMEOUT_S = 0.5
PAUSE_S = 10.0  # after the store has not answered
LIMITED, INTERNAL = "/api/", "/internal/"


class TooManyRequests(RequestError):
    """The address, the token or the account has sent too many requests."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, message: str, wait_s: int) -> None:
        super().__init__(f"{message} Try again in {wait_s} s.", headers={"Retry-After": str(wait_s)})


class Rates:
    """Counters over sliding windows, shared through Redis if that is the broker.

    While Redis does not answer, this process counts in its own memory: the site stays up, and logins stay limited. Each
    process then starts at zero and allows the whole rate.
    """

    def __init__(self, broker_url: str) -> None:
        self.is_local = not broker_url.startswith(("redis://", "rediss://"))
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = self._own
        if not self.is_local:
            options = {"socket_timeout": REDIS_TIMEOUT_S, "socket_connect_timeout": REDIS_TIMEOUT_S}
            storage = storage_from_string(broker_url, wrap_exceptions=True, **options)
            self._shared = SlidingWindowCounterRateLimiter(storage)
        self._pause_until = 0.0
        self.pauses = 0

    def wait_s(self, rule: RateLimitItem, *key: str) -> int | None:
        """Count a request and return None if it is allowed; otherwise return the seconds until the next one is."""

        def count(windows: SlidingWindowCounterRateLimiter) -> int | None:
            if windows.hit(rule, *key):
                return None
            return max(1, int(windows.get_window_stats(rule, *key).reset_time - time.time()) + 1)

        return self._ask(count)

    def forget(self, rule: RateLimitItem, *key: str) -> None:
        """Reset the counter."""
        self._ask(lambda windows: windows.clear(rule, *key))

    def _ask(self, question: Callable[[SlidingWindowCounterRateLimiter], Answer]) -> Answer:
        """Ask the shared counters; for PAUSE_S after they have not answered, ask this process's own."""
        if time.monotonic() >= self._pause_until:
            try:
                return question(self._shared)
            except StorageError as error:
                log.warning("rates_unavailable", error=str(error))
                self._pause_until = time.monotonic() + PAUSE_S
                self.pauses += 1
        return question(self._own)


def _is_limited(scope: Scope) -> bool:
    """Return whether the request counts: every call of the API, and every form of a page. Workers have keys."""
    path = scope["path"]
    return path.startswith(LIMITED) or (scope["method"] == "POST" and not path.startswith(INTERNAL))


class RateLimit:
    """ASGI middleware: answers 429, before the body is read, to an address or credentials over their rate."""

    def __init__(self, app: ASGIApp, *, rates: Rates, per_address: str, per_token: str) -> None:
        self._app = app
        self._rates = rates
        self._per_address = parse(per_address) if per_address else None
        self._per_token = parse(per_token) if per_token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_limited(scope):
            await self._app(scope, receive, send)
            return
        rules = self._rules(scope)
        wait_s = self._longest(rules) if self._rates.is_local else await run_in_threadpool(self._longest, rules)
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        error = TooManyRequests("This address or token sends too many requests.", wait_s)
        response = problem(error.status, code=error.code, title=error.title, detail=str(error), headers=error.headers)
        await response(scope, receive, send)

    def _rules(self, scope: Scope) -> list[tuple[RateLimitItem, str, str]]:
        headers = Headers(scope=scope)
        credentials = headers.get("authorization") or headers.get("cookie")
        rules = []
        if self._per_address is not None:
            rules.append((self._per_address, "address", client_address(scope)))
        if self._per_token is not None and credentials:
            rules.append((self._per_token, "token", hashlib.sha256(credentials.encode()).hexdigest()))
        return rules

    def _longest(self, rules: Sequence[tuple[RateLimitItem, str, str]]) -> int | None:
        waits = [self._rates.wait_s(rule, *key) for rule, *key in rules]
        return max((wait for wait in waits if wait is not None), default=None)
