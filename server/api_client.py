"""A typed client of the REST API, used by the command line."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from server.accounts.schemas import UserCreated
from server.errors import LetheError
from server.leaderboard.schemas import Leaderboard
from server.submissions.schemas import SubmissionLog, SubmissionView


class ApiError(LetheError):
    """The server refused, or does not answer; the message is the server's own advice."""

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ApiClient:
    """Calls `server_url` with an API token, if one is given. Every method raises ApiError."""

    def __init__(self, server_url: str, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=f"{server_url.rstrip('/')}/api/v1", headers=headers, timeout=30.0)
        self._server_url = server_url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def register(self, username: str, email: str, password: str) -> UserCreated:
        """A new account and its first token."""
        body = {"username": username, "email": email, "password": password}
        return UserCreated.model_validate(self._call("POST", "/users", json=body))

    def submit(self, slug: str, file: Path) -> SubmissionView:
        """Upload `file`; the same bytes again answer with the earlier submission."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ApiError(f"cannot read {file}: {error.strerror}", code="unreadable_file") from error
        answer = self._call("POST", f"/competitions/{slug}/submissions", files={"file": (file.name, data)})
        return SubmissionView.model_validate(answer)

    def submission(self, submission_id: UUID) -> SubmissionView:
        """State and result of a submission."""
        return SubmissionView.model_validate(self._call("GET", f"/submissions/{submission_id}"))

    def log(self, submission_id: UUID) -> SubmissionLog:
        """Output of the check stage."""
        return SubmissionLog.model_validate(self._call("GET", f"/submissions/{submission_id}/log"))

    def leaderboard(self, slug: str) -> Leaderboard:
        """The public leaderboard."""
        return Leaderboard.model_validate(self._call("GET", f"/competitions/{slug}/leaderboard"))

    def _call(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ApiError(
                f"cannot reach {self._server_url} ({reason}): set the address with --server or LETHE_SERVER",
                code="unreachable",
            ) from error
        if response.is_success:
            return response.json()
        try:
            problem = response.json()
            message, code = problem["detail"], problem["code"]
        except (ValueError, KeyError, TypeError):
            message, code = f"{self._server_url} answered {response.status_code}; is it a Lethe server?", "not_lethe"
        if code == "token_missing":
            message = "this command needs an API token: set LETHE_TOKEN, or pass --token"
        raise ApiError(message, code=code, status=response.status_code)
