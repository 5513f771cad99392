"""A process that forks a killable child for each untrusted file it is handed; run isolated, under `python -I -S`.

Standard library only, and programs that need no more: files with a function `run(data, order)` that gives a JSON value.
A request on standard input is two lengths, an order as JSON and the file; the answer on standard output is the child's
exit status, its processor time in milliseconds and a length, and its JSON.
"""

import importlib.util
import json
import os
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

CPU_LIMIT_S = 2
MEMORY_LIMIT_BYTES = 512 * 2**20
HEADER = struct.Struct("!QQ")
ANSWER = struct.Struct("!QQQ")
OUT_OF_MEMORY = 3


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Serve until standard input ends."""
    while header := requests.read(HEADER.size):
        order_bytes, data_bytes = HEADER.unpack(header)
        order = json.loads(requests.read(order_bytes))
        status, cpu_ms, answer = run_in_child(order, requests.read(data_bytes))
        answers.write(ANSWER.pack(status, cpu_ms, len(answer)) + answer)
        answers.flush()


def run_in_child(order: dict[str, Any], data: bytes) -> tuple[int, int, bytes]:
    """Return the child's exit status, 128 plus the signal if it was killed, its milliseconds, and what it wrote."""
    run = load(order["program"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(run, order, data, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, ended, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(ended)
    return (128 - code if code < 0 else code), int(1000 * (used.ru_utime + used.ru_stime)), answer


def work(run: Callable[..., object], order: dict[str, Any], data: bytes, writing: int) -> None:
    """Set limits, run the program, write its answer and exit; runs in the child."""
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        answer = json.dumps(run(data, order)).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        status = 0
    except MemoryError:
        status = OUT_OF_MEMORY
    finally:
        if status == 1:
            traceback.print_exc()
        os._exit(status)


@cache
def load(path: str) -> Callable[..., object]:
    """Return the function `run` of the program at `path`, which is one of this project's own."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None  # noqa: S101 - the path ends in .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run: Callable[..., object] = module.run
    return run


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this by closing the pipe
    main(sys.stdin.buffer, sys.stdout.buffer)
