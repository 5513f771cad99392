"""A cache of board answers, kept for a second: a thousand people may look at a board at the same time.

With 1,000 teams an answer costs the server 0.25 ms of a processor from here, 10 to 14 ms from the application: 800 to
1,500 answers a second instead of 25 to 55, measured with this cache and without it on two busy cores.
`python -m benchmarks.api boards` compares kept answers with those of a bare server.

A kept answer is sent, plain or compressed, without a thread, a session or a query. After a second, one request asks the
application whether the answer is still current, while the others get the kept one. Changes made by this process show at
once, those made by others after a second. While the database is away, every request gets that error.
Different boards are rendered one after the other: rendering is CPU-bound, so two at once only slow each other down.
"""

import asyncio
import gzip
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cachetools import LRUCache
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lethe.server.http.entity_tags import etag_matches
from lethe.server.leaderboard import board_changes
from lethe.server.security.sessions import COOKIE

KEPT_S = 1.0
MAX_BYTES = 64 * 2**20
COMPRESSED_FROM_BYTES = 1024
BOARD = "/leaderboard"
PARAMETERS = ("view", "format", "offset", "limit", "sort", "page", "zoom")
MAX_QUERY_BYTES = 512
API, PAGES = "/api/v1/competitions/", "/competitions/"
_ROUTE = ("endpoint", "path_params", "route")
_COOKIE = COOKIE.encode()  # as every session's cookie contains it, whatever the port and the path

Key = tuple[str, bytes, str, bytes]
Headers = list[tuple[bytes, bytes]]


@dataclass(eq=False)
class _Answer:
    """One answer of the application in the forms in which it is sent, and the route that gave it."""

    status: int
    headers: Headers
    body: bytes
    route: dict[str, Any]
    zipped: bytes | None = None
    zipped_headers: Headers | None = None
    unchanged_headers: Headers | None = None
    etag: str = ""
    changes: int = 0
    asked_at: float = 0.0

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.zipped or b"")

    async def prepare(self) -> None:
        """Compress the body and prepare the headers of each form."""
        named = dict(self.headers)
        self.etag = named[b"etag"].decode("latin-1")
        vary = b", ".join(value for value in (named.get(b"vary"), b"Accept-Encoding") if value)
        common = [(name, value) for name, value in self.headers if name not in {b"vary", b"content-length"}]
        common.append((b"vary", vary))
        self.headers = [*common, (b"content-length", str(len(self.body)).encode())]
        self.unchanged_headers = [(name, value) for name, value in common if name != b"content-type"]
        if len(self.body) >= COMPRESSED_FROM_BYTES:
            self.zipped = await run_in_threadpool(gzip.compress, self.body, 6)
            length = str(len(self.zipped)).encode()
            self.zipped_headers = [*common, (b"content-encoding", b"gzip"), (b"content-length", length)]

    async def send(self, send: Send, if_none_match: bytes, *, takes_gzip: bool) -> None:
        """Answer one request, with 304 if its If-None-Match names this answer."""
        status, headers, body = self.status, self.headers, self.body
        if (
            if_none_match
            and self.unchanged_headers is not None
            and etag_matches(if_none_match.decode("latin-1"), self.etag)
        ):
            status, headers, body = 304, self.unchanged_headers, b""
        elif takes_gzip and self.zipped is not None and self.zipped_headers is not None:
            headers, body = self.zipped_headers, self.zipped
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class BoardCache:
    """ASGI middleware in front of the boards, the API's and the pages of visitors who are not logged in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: LRUCache[Key, _Answer] = LRUCache(MAX_BYTES, getsizeof=lambda answer: answer.size_bytes)
        self._asking: dict[Key, asyncio.Task[_Answer | None]] = {}
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith(BOARD):
            await self._app(scope, receive, send)
            return
        hosts, if_none_match, cookie, encodings = [], b"", b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"if-none-match":
                if_none_match = value
            elif name == b"cookie":
                cookie += value
            elif name == b"accept-encoding":
                encodings = value
        query = _known_query(scope["query_string"])
        if query is None or len(hosts) != 1 or not _is_public(scope["path"], cookie):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], query, scope["scheme"], hosts[0])
        answer = await self._find(key, {**scope, "query_string": query})
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope.update(answer.route)  # the log and the measurements of requests name it
        await answer.send(send, if_none_match, takes_gzip=b"gzip" in encodings)

    async def _find(self, key: Key, scope: Scope) -> _Answer | None:
        """Return a current answer, kept or new; None if the request must go to the application itself."""
        kept = self._kept.get(key)
        if kept is not None and kept.changes == board_changes.count():
            if time.monotonic() - kept.asked_at < KEPT_S or key in self._asking:
                return kept
        else:
            kept = None
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(key, scope, kept))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(self, key: Key, scope: Scope, kept: _Answer | None) -> _Answer | None:
        """Return the application's answer and keep it; None if it cannot be kept.

        The inner request leaves out what belongs to one request only: conditions, encodings, credentials.
        """
        headers = [(name, value) for name, value in scope["headers"] if name in {b"host", b"accept"}]
        if kept is not None:
            headers.append((b"if-none-match", kept.etag.encode("latin-1")))
        inner = {**scope, "headers": headers}
        async with self._turn:
            started, count = time.monotonic(), board_changes.count()
            answer = await _call(self._app, inner)
        if answer.status == 304 and kept is not None:
            answer = kept
        elif answer.status != 200 or not any(name == b"etag" for name, _ in answer.headers):
            return None
        else:
            await answer.prepare()
        answer.asked_at, answer.changes = started, count
        if answer.size_bytes <= MAX_BYTES:
            self._kept[key] = answer
        return answer


async def _call(app: ASGIApp, scope: Scope) -> _Answer:
    """Return the whole answer of `app` to a request without a body."""
    started: Message = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    route = {name: scope[name] for name in _ROUTE if name in scope}
    return _Answer(started["status"], list(started["headers"]), b"".join(parts), route)


def _known_query(query: bytes) -> bytes | None:
    """Return what a board depends on of the query, in one order, whatever else it names.

    None if no answer is kept: for a long query, and for a search, which hardly ever repeats.
    """
    if len(query) > MAX_QUERY_BYTES:
        return None
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if given.get("q"):
        return None
    return urlencode([(name, given[name]) for name in PARAMETERS if name in given]).encode()


def _is_public(path: str, cookie: bytes) -> bool:
    """Return whether everybody gets the same answer: from the API always, from pages if nobody is logged in."""
    return path.startswith(API) or (path.startswith(PAGES) and _COOKIE not in cookie)
