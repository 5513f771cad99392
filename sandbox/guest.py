"""The end of the jail that runs beside a submission: reads the request, calls the harness, reports how it went.

Everything here runs in the untrusted process. What it reports is a claim about its own run and nothing else.
"""

import contextlib
import json
import linecache
import os
import struct
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

from lethe.sandbox.guest_process import GUEST_REPORT, GUEST_REQUEST, GUEST_RESULT

CODE_FOLDER = str(Path(__file__).parents[2])
MESSAGE_CHARS = 4_000
TRACEBACK_CHARS = 16_000
_ALLOCATION_TEXTS = ("can't allocate memory", "Cannot allocate memory", "out of memory")
_THREAD_TEXT = "can't start new thread"


class NoResult(Exception):
    """Raised by a harness when the submission's function returned nothing usable."""


class InvalidResult(Exception):
    """Raised by a harness when the submission's return value cannot become a payload."""


class Harness(Protocol):
    """The caller's module in the jail."""

    def load(self, inputs: Any) -> Any: ...

    def run(self, context: Any, source: bytes, filename: str, function: str, seed: int) -> bytes: ...


def define(source: bytes, filename: str, function: str) -> Callable[..., Any]:
    """Execute `source` as a module of its own and return its `function`.

    Raises what the source raises, SyntaxError, UnicodeDecodeError, and AttributeError when it defines no such function.
    """
    module, text = new_module(source, filename)
    exec(compile(text, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what the jail is for
    return function_of(module, filename, function)


def new_module(source: bytes, filename: str) -> tuple[types.ModuleType, str]:
    """Return an empty module for `source`, and its text.

    The source is UTF-8, whatever it declares: under another encoding a comment could be code, and the text that people
    and checks read would not be the code that runs. The module is registered, so that its classes and functions can be
    pickled by name, and its lines appear in tracebacks. Raises UnicodeDecodeError.
    """
    text = source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    name = filename.removesuffix(".py").replace("-", "_")
    module = types.ModuleType(name if name not in sys.modules else f"{name}_")
    module.__file__ = filename
    sys.modules[module.__name__] = module
    return module, text


def function_of(module: types.ModuleType, filename: str, function: str) -> Callable[..., Any]:
    """Return the function of an executed module; raises AttributeError when it defines none of that name."""
    found = module.__dict__.get(function)
    if not callable(found):
        raise AttributeError(f"{filename} defines no function {function!r}")  # noqa: TRY004 - as `module.function` would
    return found  # type: ignore[no-any-return]  # callable() narrows an Any no further


def read_request(fd: int) -> tuple[str, tuple[bytes, str, str, int]]:
    """The name of the harness's function and its arguments after the context; raises EOFError when the host is gone."""
    header_size = struct.unpack("!I", _read_exactly(fd, 4))[0]
    header = json.loads(_read_exactly(fd, header_size))
    source = _read_exactly(fd, header["source_bytes"])
    return header["entry"], (source, header["filename"], header["function"], header["seed"])


def serve(harness: Harness, context: Any) -> NoReturn:
    """Run one request and end the process without running the submission's exit handlers; never returns."""
    own_pid = os.getpid()
    entry, call = read_request(GUEST_REQUEST)
    filename = call[1]
    os.close(GUEST_REQUEST)
    payload: bytes | memoryview = b""
    try:
        payload = memoryview(getattr(harness, entry)(context, *call)).cast("B")
        claim: dict[str, Any] = {"status": "ok", "payload_bytes": len(payload)}
    except BaseException as error:  # noqa: BLE001 - a submission may raise anything, and it is classified
        if os.getpid() != own_pid:
            os._exit(1)
        claim = describe(error, filename)
    if os.getpid() != own_pid:
        os._exit(0)  # a fork of the submission's returned to here; only the guest itself reports
    _flush()
    # ASCII with escapes: lone surrogates in a message must not break the report.
    _write_all(GUEST_REPORT, json.dumps(claim).encode("ascii"))
    _write_all(GUEST_RESULT, payload)
    os._exit(0)


def describe(error: BaseException, filename: str) -> dict[str, Any]:
    """The claim that reports `error`: status, type, message, line of the submitted file, trimmed traceback."""
    claim: dict[str, Any] = {
        "status": classify(error),
        "type": type(error).__name__,
        "message": _text_of(error)[:MESSAGE_CHARS],
        "line": _line_of(error, filename),
    }
    try:
        claim["traceback"] = format_trace(error)[-TRACEBACK_CHARS:]
    except Exception:  # noqa: BLE001 - formatting calls the submission's own __str__ and __repr__
        claim["traceback"] = ""
    return claim


def classify(error: BaseException) -> str:
    """The status that reports `error`."""
    if isinstance(error, NoResult):
        return "no_result"
    if isinstance(error, InvalidResult):
        return "invalid_result"
    if isinstance(error, ImportError):
        return "import_error"
    if isinstance(error, SystemExit):
        return "exit"
    text = _text_of(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out_of_memory"
    if isinstance(error, RuntimeError) and any(part in text for part in _ALLOCATION_TEXTS):
        return "out_of_memory"
    if isinstance(error, OSError) and error.errno == 12:  # ENOMEM
        return "out_of_memory"
    if isinstance(error, BlockingIOError) or (isinstance(error, RuntimeError) and _THREAD_TEXT in text):
        return "process_limit"
    return "exception"


def format_trace(error: BaseException) -> str:
    """The traceback without the frames of the jail's own code, causes and contexts included."""
    trace = traceback.TracebackException.from_exception(error, compact=True)
    pending = [trace]
    while pending:
        part = pending.pop()
        part.stack = traceback.StackSummary.from_list(
            [frame for frame in part.stack if not frame.filename.startswith(CODE_FOLDER)]
        )
        pending.extend(linked for linked in (part.__cause__, part.__context__) if linked is not None)
        pending.extend(getattr(part, "exceptions", None) or [])
    return "".join(trace.format())


def _line_of(error: BaseException, filename: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    line = None
    for frame, lineno in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == filename:
            line = lineno
    return line


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the submission's own __str__
        return "<the message cannot be shown>"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the submission may have closed or replaced it
            stream.flush()


def _read_exactly(fd: int, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(fd, size - len(parts))
        if not part:
            raise EOFError("the request ended early")
        parts += part
    return bytes(parts)


def _write_all(fd: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
