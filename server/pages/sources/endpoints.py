"""Routes of the sources that teams have published."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext
from lethe.server.http.paging import PageCursor
from lethe.server.pages.card import card
from lethe.server.pages.rendering import render_page
from lethe.server.pages.source_view import source_lines
from lethe.server.pages.sources.view import source_page, sources_page
from lethe.server.security.sessions import OptionalVisitor
from lethe.server.submissions import publication
from lethe.server.submissions.short_ids import IdText

router = APIRouter(include_in_schema=False)

ROWS = 50


@router.get("/competitions/{slug}/sources")
def sources(
    slug: str, request: Request, context: AppContext, visitor: OptionalVisitor, cursor: PageCursor = None
) -> Response:
    """List the published sources of a competition, those of the newest uploads first."""
    with context.database.read() as session:
        found, following = publication.list_published(session, slug, cursor=cursor, limit=ROWS)
        shown = card(competitions.row(session, competitions.get_competition(session, slug)))
    return render_page(request, "sources/sources.html", sources_page(shown, found, following), visitor)


@router.get("/competitions/{slug}/sources/{submission_id}")
def source(
    slug: str, submission_id: IdText, request: Request, context: AppContext, visitor: OptionalVisitor
) -> Response:
    """Show a published source."""
    with context.database.read() as session:
        submission, found = publication.find_published(session, slug, submission_id)
        shown = card(competitions.row(session, competitions.get_competition(session, slug)))
    lines = source_lines(context.artifacts.get(submission.source_key))
    return render_page(request, "sources/source.html", source_page(shown, found, lines), visitor)
