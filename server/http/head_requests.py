"""HEAD for every route that answers GET, in one place (RFC 9110, section 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadRequests:
    """ASGI middleware: passes HEAD on as GET, and sends status and headers of the answer, without its body.

    The answer ends before its body begins, so a HEAD of an event stream ends, too: its client counts as gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        passed = {**scope, "method": "GET"}  # a copy: the protocol sends no body after the HEAD in its own
        try:
            await self._app(passed, receive, without_body)
        finally:
            scope.update(passed, method="HEAD")  # the log and the measurements of requests name the route
