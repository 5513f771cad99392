"""Maps every error to its answer: a problem document, or a page for browsers."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from lethe.evaluator.artifacts import ArtifactStoreAway, ArtifactStoreFull
from lethe.server.database.engine import Database, is_disk_full
from lethe.server.database.migration import schema_fault
from lethe.server.errors import RequestError
from lethe.server.http.content_negotiation import wants_html
from lethe.server.http.problem_document import problem
from lethe.server.http.sub_path import root_path
from lethe.server.logs import get_logger

log = get_logger(__name__)

# Codes of errors other than RequestError. With the codes of its subclasses these are all codes of the API.
BUILT_IN = {
    "invalid_request": 422,
    "not_found": 404,
    "method_not_allowed": 405,
    "http_error": 400,
    "body_too_large": 413,
    "internal_error": 500,
    "unavailable": 503,
    "storage_full": 507,
}

WRONG_VALUES = {
    "sort": "Unknown sort order.",
    "view": "Unknown view.",
    "page": "The number of a page is 1 or more.",
    "q": "The search is too long.",
}
"""What a page says of a value in its address that does not fit, by the value's name."""

RETRY_AFTER_S = 5


class ProblemPages(Protocol):
    """Renders errors as pages; `lethe.server.pages.problem_page` implements it."""

    def render_problem(
        self, request: Request, status: int, title: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Render the error as a page with `status`."""

    def render_away(self, request: Request) -> Response:
        """Render the page for an outage of the database or the artifact store."""


class ProblemHandlers:
    """Turns every error into a problem document, or into one of `pages` for browsers."""

    def __init__(self, database: Database, pages: ProblemPages) -> None:
        self._database = database
        self._pages = pages

    def register(self, app: FastAPI) -> None:
        """Handle every error of `app`."""
        app.add_exception_handler(RequestError, self._request_error)
        app.add_exception_handler(RequestValidationError, self._validation_error)
        app.add_exception_handler(HTTPException, self._http_error)
        app.add_exception_handler(ClientDisconnect, self._hung_up)
        app.add_exception_handler(OperationalError, self._database_away)
        app.add_exception_handler(NoConnection, self._database_away)
        app.add_exception_handler(ProgrammingError, self._wrong_statement)
        app.add_exception_handler(ArtifactStoreAway, self._artifacts_away)
        app.add_exception_handler(DataError, self._unstorable)
        app.add_exception_handler(Exception, self._unexpected)

    def answer(
        self,
        request: Request,
        status: int,
        *,
        code: str,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> Response:
        """Return a page to browsers outside of the API, and a problem document to everybody else."""
        if wants_html(request):
            return self._pages.render_problem(request, status, title, detail, headers=headers)
        return problem(status, code=code, title=title, detail=detail, headers=headers, **more)

    def _request_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestError)  # noqa: S101 - registered for this type only
        return self.answer(
            request,
            error.status,
            code=error.code,
            title=error.title,
            detail=str(error),
            headers=error.headers or None,
            **error.members,
        )

    def _validation_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
        faults = [
            {"where": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]} for fault in error.errors()
        ]
        detail = "; ".join(f"{fault['where']}: {fault['message']}" for fault in faults)
        if wants_html(request):
            names = dict.fromkeys(str(fault["loc"][-1]) for fault in error.errors())
            detail = " ".join(WRONG_VALUES.get(name, f"This page knows no such {name}.") for name in names)
        return self.answer(request, 422, code="invalid_request", title="Invalid request", detail=detail, errors=faults)

    def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
        title = HTTPStatus(error.status_code).phrase
        if error.status_code == 405 and request.method in {"GET", "HEAD"} and wants_html(request):
            return RedirectResponse(f"{root_path(request)}{_page_above(request)}", status_code=303)
        code = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}.get(error.status_code, "http_error")
        detail = error.detail
        if detail == title and wants_html(request):
            detail = "There is no page at this address."
        elif detail == title:
            detail = f"{title}. The calls are listed at {root_path(request)}/docs."
        headers = dict(error.headers) if error.headers else None
        return self.answer(request, error.status_code, code=code, title=title, detail=detail, headers=headers)

    def _away(self, request: Request, detail: str) -> Response:
        if wants_html(request):
            return self._pages.render_away(request)
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(503, code="unavailable", title="Temporarily unavailable", detail=detail, headers=headers)

    def _database_away(self, request: Request, error: Exception) -> Response:
        log.error("database_unavailable", error=str(error))
        if is_disk_full(error):
            return self._full(request)
        return self._away(request, "The database does not answer. Nothing was stored; send the same request again.")

    def _wrong_statement(self, request: Request, error: Exception) -> Response:
        """Tell a migration in progress, in which a table or column may be missing, from a wrong statement."""
        try:
            fault = schema_fault(self._database)
        except SQLAlchemyError as away:
            return self._database_away(request, away)
        if fault is None:
            return self._unexpected(request, error)
        log.error("schema_is_another", fault=fault)
        return self._away(request, "The database is being upgraded. Nothing was stored; send the same request again.")

    def _full(self, request: Request) -> Response:
        return self.answer(
            request,
            507,
            code="storage_full",
            title="Storage is full",
            detail="No space is left to store this. Nothing was stored; the operator has to make room.",
        )

    def _artifacts_away(self, request: Request, error: Exception) -> Response:
        log.error("artifacts_unavailable", error=str(error))
        if isinstance(error, ArtifactStoreFull):
            return self._full(request)
        return self._away(
            request, "The artifact store does not answer. Nothing was accepted; send the same request again."
        )

    def _unstorable(self, request: Request, error: Exception) -> Response:
        """Answer 422 for a value, such as text with a NUL byte, that passes the schema but not the database."""
        if request.url.path.startswith("/internal/"):
            return self._unexpected(request, error)
        log.warning("value_refused_by_database", path=request.url.path)
        detail = "A value in the request cannot be stored or searched for, such as text with a NUL character."
        return self.answer(request, 422, code="invalid_request", title="Invalid request", detail=detail)

    def _hung_up(self, _request: Request, _error: Exception) -> Response:
        """Give the log a status: the client disconnected before it had sent its body."""
        return Response(status_code=400)

    def _unexpected(self, request: Request, error: Exception) -> Response:
        log.error("unexpected_error", exc_info=error)
        return self.answer(
            request,
            500,
            code="internal_error",
            title="Internal error",
            detail="Lethe failed to answer. The operator's log has the details.",
        )


def _page_above(request: Request) -> str:
    """Return the nearest address above the request's that is a page: a form was sent to this one, and it is none.

    So a reload, a bookmark or a login after a form lead to the page that the form was on.
    """
    path = str(request.scope["path"]).removeprefix(root_path(request))
    while path := path.rpartition("/")[0]:
        scope = {**request.scope, "path": f"{root_path(request)}{path}", "method": "GET"}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            return path
    return "/"
