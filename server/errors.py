"""The server's one exception root and its families; mapped to HTTP in `lethe.server.http.problem_handlers`."""

from typing import Any


class LetheError(Exception):
    """Root of all errors that Lethe raises on purpose. `code` is stable, the message says what to do."""

    code = "error"


class ConfigurationError(LetheError):
    """The operator's configuration is wrong; shown in one line, without a traceback."""

    code = "configuration"


class RequestError(LetheError):
    """A request's fault: 4xx. `members` appear in the problem document beside the message."""

    status = 400
    title = "Bad request"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(message)
        self.headers = headers or {}
        self.members = {name: value for name, value in members.items() if value is not None}


class InvalidValue(RequestError):
    """A value is missing or malformed, whatever is stored; subclasses name the value in their code."""

    code = "invalid_value"
    title = "Invalid value"


class NotFound(RequestError):
    """Does not exist, or is not yours: both answer alike."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(RequestError):
    """The request contradicts what is stored."""

    status = 409
    code = "conflict"
    title = "Conflict"


class Forbidden(RequestError):
    """The account is known, but may not do this."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class Unauthenticated(RequestError):
    """Credentials are missing or wrong."""

    status = 401
    code = "unauthenticated"
    title = "Not authenticated"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer realm="lethe"'})


class PlatformError(LetheError):
    """Lethe's own fault: retried, alerted, never charged."""

    code = "platform"
