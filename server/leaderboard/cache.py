"""Boards as they were last written out, so that a board which many look at is rendered once for each change."""

from collections import OrderedDict
from threading import Lock

KEPT = 64


class RenderedBoards:
    """The newest bodies by ETag, which names board, version and page: a stale one is never asked for again."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, etag: str) -> bytes | None:
        """The body with that tag, or None."""
        with self._lock:
            found = self._bodies.get(etag)
            if found is not None:
                self._bodies.move_to_end(etag)
            return found

    def put(self, etag: str, body: bytes) -> None:
        """Keep `body`, and forget what was asked for longest ago."""
        with self._lock:
            self._bodies[etag] = body
            while len(self._bodies) > KEPT:
                self._bodies.popitem(last=False)
