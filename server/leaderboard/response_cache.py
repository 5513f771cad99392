"""Boards kept in memory for a second, as they were last answered: a thousand people may look at one at the same time.

What is kept is sent, plain or compressed, without a thread, a session or a query. After a second one request asks the
application whether it still holds, while the others are answered with what is there. What this process changed itself
shows at once, what others changed after a second. While the database is away each who asks gets that answer.
Different boards are made one after the other: Python makes two at once no sooner, and both of them later.
"""

import asyncio
import gzip
import time
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.entity_tags import etag_matches
from server.leaderboard import board_changes
from server.security.sessions import COOKIE

KEPT_S = 1.0
MAX_BYTES = 64 * 2**20
COMPRESSED_FROM_BYTES = 1024
BOARD = "/leaderboard"
API, PAGES = "/api/v1/competitions/", "/competitions/"
_ROUTE = ("endpoint", "path_params", "route")
_COOKIE = f"{COOKIE}=".encode()

Key = tuple[str, bytes, str, bytes]
Headers = list[tuple[bytes, bytes]]


@dataclass(eq=False)
class _Answer:
    """One answer of the application, as it is sent, and the route that gave it."""

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
        """Compress it once, and write its headers for each way of sending it."""
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

    async def send(self, send: Send, known: bytes, *, takes_gzip: bool) -> None:
        """Answer one request, with 304 if its If-None-Match `known` names this answer."""
        status, headers, body = self.status, self.headers, self.body
        if known and self.unchanged_headers is not None and etag_matches(known.decode("latin-1"), self.etag):
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
        host = known = cookie = encodings = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"if-none-match":
                known = value
            elif name == b"cookie":
                cookie += value
            elif name == b"accept-encoding":
                encodings = value
        if not _is_anybodys(scope["path"], cookie):
            await self._app(scope, receive, send)
            return
        key = (scope["path"], scope["query_string"], scope["scheme"], host)
        answer = await self._find(key, scope)
        if answer is None:
            await self._app(scope, receive, send)
            return
        scope.update(answer.route)  # the log and the measurements of requests name it
        await answer.send(send, known, takes_gzip=b"gzip" in encodings)

    async def _find(self, key: Key, scope: Scope) -> _Answer | None:
        """What is kept under the key and holds, asked for if need be; None when the request must ask for itself."""
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
        """The application's answer, kept from now on; None if it is not one to keep.

        It is asked without what belongs to one request only: conditions, encodings, credentials.
        """
        headers = [(name, value) for name, value in scope["headers"] if name in {b"host", b"accept"}]
        if kept is not None:
            headers.append((b"if-none-match", kept.etag.encode("latin-1")))
        inner = {**scope, "headers": headers}
        async with self._turn:
            started, count = time.monotonic(), board_changes.count()
            found = await _call(self._app, inner)
        if found.status == 304 and kept is not None:
            found = kept
        elif found.status != 200 or not any(name == b"etag" for name, _ in found.headers):
            return None
        else:
            await found.prepare()
        found.asked_at, found.changes = started, count
        if found.size_bytes <= MAX_BYTES:
            self._kept[key] = found
        return found


async def _call(app: ASGIApp, scope: Scope) -> _Answer:
    """The whole answer of `app` to a request without a body."""
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


def _is_anybodys(path: str, cookie: bytes) -> bool:
    """Whether everybody is answered alike: the API knows no difference, pages show who is logged in."""
    return path.startswith(API) or (path.startswith(PAGES) and _COOKIE not in cookie)
