"""The client's errors, with advice for the person at the terminal."""

from datetime import datetime
from typing import Any

import httpx

from lethe.server.errors import LetheError


class ApiError(LetheError):
    """The server refused, does not answer, or is not a Lethe server; the message says what to do.

    `code` is the server's (docs/api.md) or `unreachable`, `not_lethe`, `version_mismatch`, `unreadable_file`,
    `unwritable_file`. `status` is the HTTP status, None without an answer. `members` are the further members of the
    problem document.
    """

    def __init__(
        self, message: str, *, code: str, status: int | None = None, members: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.members = members or {}


def unreachable(server: str, error: Exception, *, origin: str) -> ApiError:
    """Return the error for a server that does not answer. `origin` says where its address was found."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        reason = "no answer in time"
    return ApiError(
        f"cannot reach {server} ({reason}). The address comes from {origin}; set it with --server or LETHE_SERVER",
        code="unreachable",
    )


def refused(response: httpx.Response, server: str) -> ApiError:
    """Return the server's problem document as an error; any other answer means that it is not a Lethe server."""
    try:
        problem = response.json()
        message, code = str(problem["detail"]), str(problem["code"])
    except (ValueError, KeyError, TypeError):
        return ApiError(
            f"{server} answered {response.status_code} without a problem document: is it a Lethe server?",
            code="not_lethe",
            status=response.status_code,
        )
    if code == "token_missing":
        message = f"this needs an account: run lethe login --server {server}, or set LETHE_TOKEN"
    elif code == "token_invalid":
        message = f"{server} does not know this token; it has expired or was deleted. Run lethe login --server {server}"
    if isinstance(problem.get("resets_at"), str):
        resets_at = datetime.fromisoformat(problem["resets_at"]).astimezone()
        message += f" Here that is {resets_at:%Y-%m-%d %H:%M}."
    if isinstance(problem.get("line"), int):
        message = f"line {problem['line']}: {message}"
    return ApiError(message, code=code, status=response.status_code, members=problem)


def mismatch(server: str, theirs: str, mine: str) -> ApiError:
    """Return the error for an answer that this version cannot read."""
    return ApiError(
        f"{server} runs Lethe {theirs} and this is {mine}: its answer cannot be read. "
        f"Install the server's version of Lethe, {theirs}",
        code="version_mismatch",
    )
