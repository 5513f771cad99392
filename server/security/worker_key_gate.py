"""Lets bodies of workers through only after their key is known: nobody else's JSON is parsed or waits for a lock."""

import time

from anyio import CapacityLimiter, to_thread
from cachetools import TTLCache
from limits import parse
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lethe.server.context import Context
from lethe.server.errors import RequestError
from lethe.server.http.client_address import client_address
from lethe.server.http.problem_document import problem
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.logs import get_logger
from lethe.server.security.credentials import TokenMissing, require_worker_key
from lethe.server.security.digests import digest_secret

log = get_logger(__name__)

INTERNAL = "/internal/"
KNOWN_S = 60.0
UNKNOWN_KEYS = parse("60 per minute")
LOOK_UPS = 2
"""Unknown keys that are looked up at the same time, so that a flood of them takes no thread from anybody else."""


class DatabaseAway(RequestError):
    """Nobody can say now whether the key is known."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"


class WorkerKeyGate:
    """ASGI middleware before the internal API. The call's own transaction looks the key up again, so that a key which
    was replaced works no longer than that transaction's answer; here a key stays known for `KNOWN_S`.
    """

    def __init__(self, app: ASGIApp, *, context: Context) -> None:
        self._app = app
        self._context = context
        self._look_ups = CapacityLimiter(LOOK_UPS)
        self._known: TTLCache[str, bool] = TTLCache(maxsize=1024, ttl=KNOWN_S, timer=time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(INTERNAL):
            await self._app(scope, receive, send)
            return
        scheme, _, key = (Headers(scope=scope).get("authorization") or "").partition(" ")
        digest = digest_secret(key.strip()) if scheme.lower() == "bearer" and key.strip() else ""
        if digest not in self._known:
            error = await to_thread.run_sync(self._refusal, digest, client_address(scope), limiter=self._look_ups)
            if error is not None:
                answer = problem(
                    error.status, code=error.code, title=error.title, detail=str(error), headers=error.headers
                )
                await answer(scope, receive, send)
                return
            self._known[digest] = True
        await self._app(scope, receive, send)

    def _refusal(self, digest: str, address: str) -> RequestError | None:
        """Return why the call ends here, or None if the key is known."""
        if not digest:
            return TokenMissing("This call needs a worker key: send the header 'Authorization: Bearer KEY'.")
        try:
            with self._context.database.read() as session:
                require_worker_key(session, digest)
        except RequestError as error:
            wait_s = self._context.rates.wait_s(UNKNOWN_KEYS, "worker key", address)
            return error if wait_s is None else TooManyRequests("Too many unknown worker keys from here.", wait_s)
        except SQLAlchemyError as error:
            log.error("database_unavailable", error=str(error))  # noqa: TRY400 - as everywhere, without a traceback
            return DatabaseAway("The database does not answer. Send the same request again.")
        return None
