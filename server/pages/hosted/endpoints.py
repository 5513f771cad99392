"""Routes of the list of hosted competitions, and of the details of one."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext
from lethe.server.hosting.overview import overview
from lethe.server.pages.card import card
from lethe.server.pages.forms import notice, redirect_to_login
from lethe.server.pages.hosted.view import details_page, hosted_page
from lethe.server.pages.rendering import render_page
from lethe.server.security.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)


@router.get("/host")
def hosted(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """List the competitions that the visitor hosts."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        view = hosted_page(session, visitor.user, notice=notice(request))
    return render_page(request, "hosted/hosted.html", view, visitor, cacheable=False)


@router.get("/host/{slug}/details")
def details(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show dates, data, banks, submissions and disk of a competition."""
    if visitor is None:
        return redirect_to_login(request)
    with context.database.read() as session:
        shown = card(competitions.row(session, competitions.get_hosted(session, slug, visitor.user)))
    view = details_page(shown, overview(context, slug))
    return render_page(request, "hosted/details.html", view, visitor, cacheable=False)
