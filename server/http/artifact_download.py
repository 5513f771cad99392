"""Sends an artifact as a file that can be resumed: entity tag, conditional and range requests, from any store."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.server.http.byte_ranges import requested_range
from lethe.server.http.entity_tags import etag_matches
from lethe.server.http.send_file import EXTENSION

MEDIA_TYPE = "application/octet-stream"


class ArtifactDownload:
    """An artifact of `size_bytes`. Its entity tag is its SHA-256, so whoever has the file can check it."""

    def __init__(self, ref: ArtifactRef, size_bytes: int, filename: str) -> None:
        self._ref = ref
        self._size_bytes = size_bytes
        self.tag = f'"{ref.sha256}"'
        self._headers = {
            "ETag": self.tag,
            "Cache-Control": "no-cache",
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'attachment; filename="{filename}"',
            "X-Content-Type-Options": "nosniff",
        }

    def unchanged(self, request: Request) -> Response | None:
        """Return 304 if the client has this file, as its If-None-Match says."""
        if etag_matches(request.headers.get("if-none-match", ""), self.tag):
            return Response(status_code=304, headers=self._headers)
        return None

    def answer(self, request: Request, store: ArtifactStore) -> Response:
        """Return the file or, as 206, the range that is asked for; its first piece is read before the answer begins.

        With an If-Range of another version the range is ignored. Raises RangeNotSatisfiable, and what the store raises.
        """
        condition = request.headers.get("if-range", self.tag)
        asked = requested_range(request.headers.get("range", ""), self._size_bytes) if condition == self.tag else None
        start, end = asked or (0, self._size_bytes)
        headers = {**self._headers, "Content-Length": str(end - start)}
        if asked is not None:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{self._size_bytes}"
        path = store.path_of(self._ref)
        if path is not None and asked is None and EXTENSION in request.scope.get("extensions", {}):
            return _WholeFile(path, headers)
        return StreamingResponse(
            _begun(store.read_range(self._ref, start, end)),
            status_code=200 if asked is None else 206,
            media_type=MEDIA_TYPE,
            headers=headers,
        )


class _WholeFile(Response):
    """A file that the server's protocol copies to the connection."""

    def __init__(self, path: Path, headers: dict[str, str]) -> None:
        self._path = path
        self.status_code = 200
        self.media_type = MEDIA_TYPE
        self.background = None
        self.init_headers(headers)

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": EXTENSION, "path": str(self._path)})


def _begun(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """Return the same pieces, the first of them read already, so that its errors still become answers."""
    return chain([next(pieces)], pieces)
