"""HTTP/1.1 of `lethe serve`: uvicorn's protocol on httptools, which alone does not bound the size of heads."""

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 2**10
RECEIVED_AT = "received_at"
"""Key in a request's `state`: the monotonic time at which its last byte was read, absent until then."""


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line, header fields and trailers exceed 64 KiB.

    Chunk lengths of a chunked body may add as many bytes as the body has.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._spare_bytes = HEAD_BYTES

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._spare_bytes = HEAD_BYTES

    def on_body(self, body: bytes) -> None:
        self._spare_bytes += 2 * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.scope["state"][RECEIVED_AT] = time.monotonic()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._spare_bytes -= len(data)
        super().data_received(data)
        if self._spare_bytes < 0 and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
