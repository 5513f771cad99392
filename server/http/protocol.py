"""HTTP/1.1 of `lethe serve`: uvicorn's protocol on httptools, which alone bounds neither heads nor patience."""

import time
from asyncio import Transport
from asyncio.events import TimerHandle
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lethe.server.http.send_file import offer_files

HEAD_BYTES = 64 * 2**10
HEAD_S = 10.0
BODY_STEP_S = 10.0
BODY_BYTES_PER_STEP = 10 * 2**10
"""A body arrives at a KiB a second at least, whenever the server is ready to read it."""
UNREAD_BYTES = 32 * 2**20
"""What is thrown away of a body that goes on after its answer."""
RECEIVED_AT = "received_at"
"""Key in a request's `state`: the monotonic time at which its last byte was read, absent until then."""


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection that asks for too much of anything but the application's answer.

    These are: request line, header fields and trailers over 64 KiB; a head that is not complete after `HEAD_S`, also on
    a connection that says nothing; a body slower than `BODY_BYTES_PER_STEP`, or of `UNREAD_BYTES` after its answer; and
    more connections at a time than `connections` in all, or `per_address` from one address. Chunk lengths of a chunked
    body may add as many bytes as the body has.
    """

    connections_limit: ClassVar[int] = 2000
    per_address_limit: ClassVar[int] = 500
    _open: ClassVar[Counter[str]] = Counter()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._spare_bytes = HEAD_BYTES
        self._step_bytes = self._unread_bytes = 0
        self._timer: TimerHandle | None = None
        self._address = ""

    @classmethod
    def open_connections(cls) -> int:
        """Return how many connections of this process are open."""
        return cls._open.total()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._open[self._address] += 1
        if len(self.connections) > self.connections_limit or self._open[self._address] > self.per_address_limit:
            transport.abort()
        else:
            self._wait(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._open[self._address] -= 1
        if not self._open[self._address]:
            del self._open[self._address]
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._spare_bytes = HEAD_BYTES
        self._wait(HEAD_S, self.transport.close)

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # its task begins after this call
            offer_files(self.cycle, self.transport)
        self._step_bytes, self._unread_bytes = 0, UNREAD_BYTES
        self._wait(BODY_STEP_S, self._check_body)

    def on_body(self, body: bytes) -> None:
        self._spare_bytes += 2 * len(body)
        self._step_bytes += len(body)
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread_bytes -= len(body)
            if self._unread_bytes < 0:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self.scope["state"][RECEIVED_AT] = time.monotonic()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._spare_bytes -= len(data)
        if self._timer is None and self.timeout_keep_alive_task is not None:  # which this data ends, whatever it is
            self._wait(HEAD_S, self.transport.close)
        super().data_received(data)
        if self._spare_bytes < 0 and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def _wait(self, wall_s: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(wall_s, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_body(self) -> None:
        """Close the connection if its body was too slow in the last step while the server was ready to read it."""
        is_servers_turn = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if self._step_bytes < BODY_BYTES_PER_STEP and not is_servers_turn:
            self.transport.close()
            return
        self._step_bytes = 0
        self._wait(BODY_STEP_S, self._check_body)


def bounded_http(*, connections: int, per_address: int) -> type[BoundedHttp]:
    """Return the protocol with these limits of connections."""
    return type("BoundedHttp", (BoundedHttp,), {"connections_limit": connections, "per_address_limit": per_address})
