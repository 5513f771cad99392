"""Bounds the size of request bodies before anything reads them, by who may have sent them.

A body of JSON or a form is parsed before anybody is known, so it is small. Large bodies pass only to routes that know
the sender first: uploads, which read theirs after the credentials, and workers' reports, which `WorkerKeyGate` guards.
"""

import re

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lethe.server.http.problem_document import problem

JSON_BYTES = 64 * 2**10
FORM_BYTES = 128 * 2**10
"""A host's announcement of 10,000 characters of any script, as browsers encode a form."""
EDIT_BYTES = 768 * 2**10
"""All texts of a specification, which have 45,000 characters, and its allow-list, as browsers encode a form."""
MAX_BODY_BYTES = 16 * 2**20 + JSON_BYTES
DRAINED_BYTES = 32 * 2**20
"""What is read of a body whose answer is known already: a client that still writes would see a reset instead of it."""

_EDIT = re.compile(r"/host/[^/]+/edit")
_LARGE = re.compile(r"/internal/.*|/api/v1/competitions/[^/]+/submissions|/competitions/[^/]+/submit")


class BodyTooLarge(HTTPException):
    """The body exceeded the limit while it was being received."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413, detail=_detail(limit_bytes))


class BodyLimit:
    """ASGI middleware: answers 413 as soon as a body is, or turns out to be, larger than the limit of its route.

    An answer that comes before the body was read, whatever it says, is sent after the rest of the body, up to
    `DRAINED_BYTES`, was received and thrown away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        limit_bytes = _limit(scope["path"], headers.get(b"content-type", b""))
        declared = headers.get(b"content-length", b"0")
        declared_bytes = int(declared) if declared.isdigit() else 0
        # A client that waits to be asked for its body has not sent it.
        is_unread = b"expect" not in headers and (declared_bytes > 0 or b"transfer-encoding" in headers)
        received = 0
        started = False

        async def counted() -> Message:
            nonlocal received, is_unread
            message = await receive()
            received += len(message.get("body", b""))
            is_unread = is_unread and message.get("more_body", False)
            if received > limit_bytes:
                raise BodyTooLarge(limit_bytes)
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if not started and is_unread:
                await _drain(receive, DRAINED_BYTES - received)
            started = True
            await send(message)

        app = _too_large(limit_bytes) if declared_bytes > limit_bytes else self._app
        await app(scope, counted, watched)


def _limit(path: str, content_type: bytes) -> int:
    if _LARGE.fullmatch(path):
        return MAX_BODY_BYTES
    if not content_type.startswith(b"application/x-www-form-urlencoded"):
        return JSON_BYTES
    return EDIT_BYTES if _EDIT.fullmatch(path) else FORM_BYTES


async def _drain(receive: Receive, limit_bytes: int) -> None:
    """Receive the rest of the body, at most about `limit_bytes` of it."""
    more = True
    while more and limit_bytes > 0:
        message = await receive()
        limit_bytes -= len(message.get("body", b""))
        more = message.get("more_body", False)


def _too_large(limit_bytes: int) -> ASGIApp:
    return problem(
        413,
        code="body_too_large",
        title="Body too large",
        detail=_detail(limit_bytes),
        headers={"Connection": "close"},
    )


def _detail(limit_bytes: int) -> str:
    return f"The body of this request may have {limit_bytes:,} bytes at most."
