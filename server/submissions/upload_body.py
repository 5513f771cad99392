"""Reads the file of a multipart upload, never more of it than the competition allows, and hands it to a thread."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.submission import FILENAME, NOTEBOOK_SUFFIX
from lethe.server.context import Context
from lethe.server.errors import RequestError
from lethe.server.http.rate_limit import TooManyRequests
from lethe.server.submissions import parser_pool
from lethe.server.submissions.descriptions import Description
from lethe.server.submissions.static_check import RefusedFile, reading_limit

T = TypeVar("T")

OVERHEAD_BYTES = 16 * 2**10
MAX_FIELDS = 8
CHECKS_AT_ONCE = 1
WAITING = 10
HEAD_BYTES = 4096
_NOTEBOOK = re.compile(re.escape(NOTEBOOK_SUFFIX).encode(), re.IGNORECASE)

# The body is read by hand, after the credentials and the competition are known, so FastAPI cannot describe it.
DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "One Python file, or a notebook, that defines unlearning",
                        },
                        "method": {"type": "string", "description": Description.model_fields["method"].description},
                        "note": {"type": "string", "description": Description.model_fields["note"].description},
                        "link": {"type": "string", "description": Description.model_fields["link"].description},
                    },
                }
            }
        },
    }
}


class FileMissing(RequestError):
    """The body has no file in the field `file`."""

    status = 422
    code = "invalid_request"
    title = "Invalid request"


@dataclass(frozen=True)
class SentForm:
    """The parts of a multipart body: the file, empty if none was chosen, and the other fields."""

    filename: str | None
    data: bytes
    fields: dict[str, str]


async def read_file(request: Request, limit_bytes: int) -> SentForm:
    """Return the form with its file; raises FileMissing without one, and as `read_form` does."""
    sent = await read_form(request, limit_bytes)
    if sent.filename is None:
        raise FileMissing("Send the file as multipart/form-data in the field `file`: curl -F file=@submission.py …")
    return sent


async def read_form(request: Request, limit_bytes: int) -> SentForm:
    """Return the form, with or without a file in its field `file`; raises RefusedFile as soon as the body is too large.

    If the first bytes of the body name a notebook, the limit is that of notebooks.
    """
    declared = request.headers.get("content-length", "0")
    declared_bytes = int(declared) if declared.isdigit() else 0
    head = b""
    received = 0

    async def counted() -> Message:
        nonlocal head, received
        message = await request.receive()
        chunk = message.get("body", b"")
        head += chunk[: max(0, HEAD_BYTES - len(head))]
        received += len(chunk)
        allowed = reading_limit(NOTEBOOK_SUFFIX if _NOTEBOOK.search(head) else "", limit_bytes)
        if max(received, declared_bytes) > allowed + OVERHEAD_BYTES:
            raise too_large(allowed)
        return message

    parts = Request(request.scope, counted)
    async with parts.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=limit_bytes + OVERHEAD_BYTES) as form:
        file = form.get("file")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        if isinstance(file, UploadFile):
            return SentForm(file.filename, await file.read(), fields)
        return SentForm(None, b"", fields)


def too_large(limit_bytes: int) -> RefusedFile:
    """Return the error about a file over `limit_bytes`; the rest of the body is not read."""
    error = RefusedFile(FaultCode.FILE_TOO_LARGE, message=f"the limit is {limit_bytes:,} bytes")
    error.headers["Connection"] = "close"
    return error


def clean_filename(name: str | None) -> str:
    """Return the last part of the client's file name, printable, at most 100 characters; for display only."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    shown = "".join(letter for letter in last if letter.isprintable())[:100]
    return shown if shown.strip(". ") else FILENAME


async def run_in_upload_thread(
    context: Context, account: UUID, function: Callable[..., T], *arguments: Any, is_check: bool = False
) -> T:
    """Return the result of `function`, which handles a file of `account`, from a thread.

    Limiters of its own keep queued files from exhausting the request threads: as many threads as there are parser
    processes, one of them at most for an account, and one at most for files that are only checked. Raises
    TooManyRequests while `WAITING` files of the account wait.
    """
    limits = context.one(_UploadLimits)
    async with limits.of_account(account), limits.checks if is_check else nullcontext():
        return await to_thread.run_sync(function, *arguments, limiter=limits.all)


class _UploadLimits:
    """Who handles how many files at the same time."""

    def __init__(self, _context: Context) -> None:
        self.all = CapacityLimiter(parser_pool.AT_ONCE)
        self.checks = CapacityLimiter(CHECKS_AT_ONCE)
        self._accounts: dict[UUID, CapacityLimiter] = {}

    @asynccontextmanager
    async def of_account(self, account: UUID) -> AsyncIterator[None]:
        """Wait until no other file of the account is handled."""
        own = self._accounts.setdefault(account, CapacityLimiter(1))
        waiting = own.statistics().tasks_waiting
        if waiting >= WAITING:
            raise TooManyRequests(f"{count_text(waiting, 'file')} of this account are waiting already.", 1)
        try:
            async with own:
                yield
        finally:
            if not own.borrowed_tokens and not own.statistics().tasks_waiting:
                self._accounts.pop(account, None)
