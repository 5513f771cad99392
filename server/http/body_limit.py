"""Bounds the size of request bodies before anything reads them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lethe.server.http.problem_document import problem

UPLOAD_OVERHEAD_BYTES = 64 * 2**10
MAX_BODY_BYTES = 16 * 2**20 + UPLOAD_OVERHEAD_BYTES


class _BodyTooLarge(Exception):
    """The body exceeded the limit while it was being received."""


class BodyLimit:
    """ASGI middleware: answers 413 as soon as a body is, or turns out to be, larger than the limit."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit_bytes:
            await self._refuse(scope, receive, send)
            return
        received = 0
        started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except _BodyTooLarge:
            if not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(
            413,
            code="body_too_large",
            title="Body too large",
            detail=f"A request may have {self._limit_bytes:,} bytes at most. Upload one Python source file.",
            headers={"Connection": "close"},
        )
        await response(scope, receive, send)
