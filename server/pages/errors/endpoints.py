"""The page of error codes."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lethe.server.pages.errors.view import errors_page
from lethe.server.pages.rendering import render_page
from lethe.server.security.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)


@router.get("/errors")
def errors(request: Request, visitor: OptionalVisitor) -> Response:
    """Show every way in which a submission can end without a score, with what to do about it."""
    return render_page(request, "errors/errors.html", errors_page(), visitor)
