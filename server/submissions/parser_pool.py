"""A few parser processes, kept for the next file: starting one costs twenty times as much as parsing a file."""

import atexit
import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from lethe.server.errors import PlatformError

WALL_LIMIT_S = 10.0
AT_ONCE = 4
OUT_OF_MEMORY = 3
_HEADER = struct.Struct("!QQ")
_PROCESS = Path(__file__).with_name("parser_process.py")


class TooCostly(Exception):
    """Parsing took more time or memory than it may."""


class _Parser:
    """One parser process and the pipes to it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", str(_PROCESS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            cwd="/",
            process_group=0,
        )

    def ask(self, order: bytes, data: bytes) -> tuple[int, bytes]:
        """Return exit status and answer of the child; raises TooCostly after the wall limit, OSError if it died."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - opened as pipes above
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(_HEADER.pack(len(order), len(data)) + order + data)
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], WALL_LIMIT_S)
        if not ready:
            raise TooCostly
        header = process.stdout.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise BrokenPipeError("the parser process ended")
        status, length = _HEADER.unpack(header)
        return status, process.stdout.read(length)

    def close(self) -> None:
        """End the process and whatever it forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._process.__exit__(None, None, None)


_room = threading.BoundedSemaphore(AT_ONCE)
_idle: list[_Parser] = []


def run_program(program: Path, data: bytes, **order: Any) -> dict[str, Any]:
    """Return the JSON object that `program` computes from untrusted bytes; raises TooCostly if it had to be killed.

    A parser process that was killed from outside is replaced once; raises PlatformError the second time.
    """
    message = json.dumps({"program": str(program), **order}).encode()
    with _room:
        try:
            status, answer = _ask(message, data)
        except OSError:
            try:
                status, answer = _ask(message, data)
            except OSError as error:
                raise PlatformError(f"the parser process fails: {error}") from error
    if status == OUT_OF_MEMORY or status > 128:
        raise TooCostly
    if status != 0:
        raise PlatformError(f"{program.name} failed; its traceback is on standard error")
    found: dict[str, Any] = json.loads(answer)
    return found


def _ask(order: bytes, data: bytes) -> tuple[int, bytes]:
    try:
        parser = _idle.pop()
    except IndexError:
        parser = _Parser()
    try:
        answer = parser.ask(order, data)
    except BaseException:
        parser.close()
        raise
    _idle.append(parser)
    return answer


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()
