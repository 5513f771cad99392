"""Routes of the page on which a host keeps an archive and deletes a competition."""

import os
from collections.abc import Iterator
from typing import IO, Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response, StreamingResponse

from lethe.server.audit_log.events import user_actor
from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.errors import InvalidValue, RequestError
from lethe.server.hosting import deletion
from lethe.server.hosting.archive_file import ArchiveFiles
from lethe.server.hosting.photographs import delete_photographs
from lethe.server.pages.deletion.view import deletion_page
from lethe.server.pages.forms import redirect, redirect_to_login, refusal_text
from lethe.server.pages.rendering import SECURITY_HEADERS, render_page
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, Visitor

router = APIRouter(include_in_schema=False)

PIECE_BYTES = 2**18
Text = Annotated[str, Form(max_length=100)]


@router.get("/host/{slug}/delete")
def deletion_form(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show what goes, what stays, and the forms that delete."""
    return redirect_to_login(request) if visitor is None else _deletion_page(request, context, slug, visitor)


@router.post("/host/{slug}/archive")
def archive(slug: str, request: Request, context: AppContext, visitor: FormVisitor, outputs: Text = "") -> Response:
    """Return the archive as a ZIP file, with all `outputs` if that box is ticked."""
    try:
        _require_host(context, slug, visitor)
        file = context.one(ArchiveFiles).write(slug, outputs=bool(outputs), actor=user_actor(visitor.user))
    except RequestError as error:
        return _deletion_page(request, context, slug, visitor, error)
    headers = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-store",
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{slug}.zip"',
    }
    return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)


@router.post("/host/{slug}/delete-photographs")
def delete_the_photographs(
    slug: str, request: Request, context: AppContext, visitor: FormVisitor, confirmed: Text = ""
) -> Response:
    """Delete what was made of photographs, after the end."""
    try:
        _require_host(context, slug, visitor)
        _require_confirmed(slug, confirmed)
        delete_photographs(context, slug, actor=user_actor(visitor.user))
    except RequestError as error:
        return _deletion_page(request, context, slug, visitor, error)
    return redirect(f"/host/{slug}", "photographs-deleted")


@router.post("/host/{slug}/delete")
def delete(slug: str, request: Request, context: AppContext, visitor: FormVisitor, confirmed: Text = "") -> Response:
    """Delete the competition and everything that was made for it."""
    try:
        _require_host(context, slug, visitor)
        _require_confirmed(slug, confirmed)
        deletion.delete(context, slug, actor=user_actor(visitor.user))
    except RequestError as error:
        return _deletion_page(request, context, slug, visitor, error)
    return redirect("/host", "deleted")


def _require_host(context: Context, slug: str, visitor: Visitor) -> None:
    with context.database.read() as session:
        competitions.get_hosted(session, slug, visitor.user)


def _require_confirmed(slug: str, confirmed: str) -> None:
    if confirmed.strip() != slug:
        raise InvalidValue(f"Nothing was deleted. To delete it, type {slug} in the field beside the button.")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _deletion_page(
    request: Request, context: Context, slug: str, visitor: Visitor, error: RequestError | None = None
) -> Response:
    with context.database.read() as session:
        competition = competitions.get_hosted(session, slug, visitor.user)
        view = deletion_page(session, competition, problem="" if error is None else refusal_text(error))
    status = 200 if error is None else error.status
    return render_page(request, "deletion/deletion.html", view, visitor, status=status, cacheable=False)
