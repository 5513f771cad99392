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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.server.errors import PlatformError

WALL_LIMIT_S = 10.0
AT_ONCE = 4
OUT_OF_MEMORY = 3
_HEADER = struct.Struct("!QQ")
_ANSWER = struct.Struct("!QQQ")
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

    def ask(self, order: bytes, data: bytes) -> tuple[int, int, bytes]:
        """Return exit status, milliseconds and answer of the child.

        Raises TooCostly after the wall limit, OSError if it died.
        """
        process = self._process
        assert process.stdin is not None  # noqa: S101 - opened as pipes above
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(_HEADER.pack(len(order), len(data)) + order + data)
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], WALL_LIMIT_S)
        if not ready:
            raise TooCostly
        header = process.stdout.read(_ANSWER.size)
        if len(header) < _ANSWER.size:
            raise BrokenPipeError("the parser process ended")
        status, cpu_ms, length = _ANSWER.unpack(header)
        return status, cpu_ms, process.stdout.read(length)

    def close(self) -> None:
        """End the process and whatever it forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            self._process.__exit__(None, None, None)


@dataclass
class Spent:
    """Processor time of parser processes, in seconds."""

    cpu_s: float = 0.0


_spent = threading.local()
_room = threading.BoundedSemaphore(AT_ONCE)
_idle: list[_Parser] = []


def run_program(program: Path, data: bytes, **order: Any) -> dict[str, Any]:
    """Return the JSON object that `program` computes from untrusted bytes; raises TooCostly if it had to be killed.

    A parser process that was killed from outside is replaced once; raises PlatformError the second time.
    """
    message = json.dumps({"program": str(program), **order}).encode()
    with _room:
        try:
            status, cpu_ms, answer = _ask(message, data)
        except TooCostly:
            _add(WALL_LIMIT_S)
            raise
        except OSError:
            try:
                status, cpu_ms, answer = _ask(message, data)
            except OSError as error:
                raise PlatformError(f"the parser process fails: {error}") from error
    _add(cpu_ms / 1000)
    if status == OUT_OF_MEMORY or status > 128:
        raise TooCostly
    if status != 0:
        raise PlatformError(f"{program.name} failed; its traceback is on standard error")
    found: dict[str, Any] = json.loads(answer)
    return found


@contextlib.contextmanager
def measured() -> Iterator[Spent]:
    """Measure what `run_program` spends in this thread while the context lasts, also for what is refused."""
    spent = _spent.now = Spent()
    try:
        yield spent
    finally:
        del _spent.now


def _add(cpu_s: float) -> None:
    found: Spent | None = getattr(_spent, "now", None)
    if found is not None:
        found.cpu_s += cpu_s


def _ask(order: bytes, data: bytes) -> tuple[int, int, bytes]:
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
