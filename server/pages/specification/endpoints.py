"""Routes of the form in which a host edits a competition."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import ValidationError

from lethe.server.audit_log.events import user_actor
from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.hosting import editing
from lethe.server.pages.forms import notice, redirect, redirect_to_login, refusal_status, refusal_text
from lethe.server.pages.rendering import render_page
from lethe.server.pages.specification.view import edit_page, problems_of, stored_beside, wanted
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, Visitor

router = APIRouter(include_in_schema=False)


async def typed_texts(request: Request) -> dict[str, str]:
    """Return all texts of a form by the names of its fields: here those are the keys that may change."""
    return {name: text for name, text in (await request.form()).items() if isinstance(text, str)}


@router.get("/host/{slug}/edit")
def edit_form(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show the form."""
    if visitor is None:
        return redirect_to_login(request)
    return _edit_page(request, context, slug, visitor)


@router.post("/host/{slug}/edit")
def edit(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    typed: Annotated[dict[str, str], Depends(typed_texts)],
) -> Response:
    """Store what differs from what the form showed, or say beside each field why not."""
    try:
        with context.database.write() as session:
            competitions.get_hosted(session, slug, visitor.user)
            shown = editing.current(competitions.lock_competition(session, slug))
            if typed.get("version") != editing.version(shown):
                raise editing.EditedMeanwhile(
                    "Texts or dates have changed since this form was opened. The fields contain what you typed; above "
                    "those that differ stands what is stored now. Copy what is to stay, then save again."
                )
            changed = editing.edit(session, slug, wanted(shown, typed), shown=shown, actor=user_actor(visitor.user))
    except (RequestError, ValidationError) as error:
        return _edit_page(request, context, slug, visitor, typed=typed, error=error)
    return redirect(f"/host/{slug}/edit", "edited" if changed else "unchanged")


def _edit_page(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    *,
    typed: dict[str, str] | None = None,
    error: RequestError | ValidationError | None = None,
) -> Response:
    problem, problems = "", {}
    if isinstance(error, editing.FixedByNow):
        problem, problems = "Nothing was saved: some of it cannot be changed any more.", error.reasons
    elif isinstance(error, ValidationError):
        problem, problems = "Nothing was saved: some values are not possible.", problems_of(error)
    elif error is not None:
        problem = refusal_text(error)
    with context.database.read() as session:
        competition = competitions.get_hosted(session, slug, visitor.user)
        if isinstance(error, editing.EditedMeanwhile) and typed is not None:
            problems = stored_beside(editing.current(competition), typed)
        view = edit_page(session, competition, notice=notice(request), problem=problem, typed=typed, problems=problems)
    status = 200 if error is None else refusal_status(error)
    return render_page(request, "specification/edit.html", view, visitor, status=status, cacheable=False)
