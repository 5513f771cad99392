"""Sends a file from the disk to a connection without reading it: the ASGI extension `http.response.pathsend`.

uvicorn has it not. The kernel copies at most `PIECE_BYTES` at a time, as far as the client takes them, between other
work of the event loop; a file that is not in the page cache holds the loop up for as long as reading a piece takes.
"""

import asyncio
import os
from asyncio import Transport
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "http.response.pathsend"
PIECE_BYTES = 2**18
AT_ONCE = 64
"""Each copy keeps two more descriptors open for as long as its client likes; other files are read piece by piece."""
_places = asyncio.Semaphore(AT_ONCE)
_LOOK_S = 0.005  # between two looks whether what was written before the file has left


def offer_files(cycle: RequestResponseCycle, transport: Transport) -> None:
    """Let the application send a message of `EXTENSION` on this cycle; not over TLS, which the kernel cannot write."""
    if transport.get_extra_info("sslcontext") is not None:
        return
    send = cycle.send

    async def send_or_copy(message: Any) -> None:
        if message["type"] != EXTENSION:
            await send(message)
            return
        path, size_bytes = message["path"], cycle.expected_content_length
        if _places.locked():
            for place in range(0, size_bytes, PIECE_BYTES):
                if cycle.disconnected:
                    break
                await send({"type": "http.response.body", "body": _read(path, place, size_bytes), "more_body": True})
        else:
            async with _places:
                if not cycle.disconnected:
                    await _copy(path, size_bytes, transport)
            cycle.expected_content_length = 0
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    cycle.send = send_or_copy  # type: ignore[method-assign]
    cycle.scope.setdefault("extensions", {})[EXTENSION] = {}


def _read(path: str, place: int, size_bytes: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(place)
        return file.read(min(PIECE_BYTES, size_bytes - place))


async def _copy(path: str, size_bytes: int, transport: Transport) -> None:
    """Copy the first `size_bytes` of the file, fewer to a client that hangs up. Raises OSError for a shorter file."""
    while transport.get_write_buffer_size() and not transport.is_closing():
        await asyncio.sleep(_LOOK_S if transport.get_write_buffer_size() > PIECE_BYTES else 0)
    if transport.is_closing():
        return
    file = os.open(path, os.O_RDONLY)
    # A descriptor of its own: the transport may close the connection at any moment, and its number be used again.
    connection = os.dup(transport.get_extra_info("socket").fileno())
    try:
        place = 0
        while place < size_bytes:
            try:
                sent = os.sendfile(connection, file, place, min(PIECE_BYTES, size_bytes - place))
            except BlockingIOError:
                await _writable(connection)
                continue
            except (BrokenPipeError, ConnectionResetError):
                return
            if not sent:
                raise OSError(f"{path} has {place} bytes, not {size_bytes}")
            place += sent
            await asyncio.sleep(0)
    finally:
        os.close(connection)
        os.close(file)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(descriptor, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)
