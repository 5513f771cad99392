"""The web pages: competitions, one competition, and its contact sheet."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from evaluator.artifacts import ArtifactMissing
from server.competitions import service as competitions
from server.competitions.queries import announcements
from server.context import AppContext
from server.errors import NotFound
from server.leaderboard.board_page import board_page
from server.leaderboard.queries import BoardQuery
from server.models.times import utc_now
from server.pages import texts
from server.pages.competition import view as views
from server.pages.rendering import READ, SECURITY_HEADERS, is_known, page
from server.security.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)

TOP_ROWS = 5


class ContactSheetMissing(NotFound):
    """The competition's contact sheet is not in the artifact store."""

    code = "contact_sheet_missing"
    title = texts.NO_CONTACT_SHEET


@router.api_route("/", methods=READ)
def home(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """The competitions of this server."""
    with context.database.read() as session:
        rows = competitions.list_rows(session)
    return page(request, "competition/home.html", views.home_page(rows, str(request.base_url)), visitor)


@router.api_route("/competitions", methods=READ)
def all_competitions() -> Response:
    """The list of competitions is the home page."""
    return RedirectResponse("/", status_code=308, headers=SECURITY_HEADERS)


@router.api_route("/competitions/{slug}", methods=READ)
def competition(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """What a competition is about, its contract and limits, and how to submit."""
    with context.database.read() as session:
        found = competitions.get_competition(session, slug)
        facts = competitions.facts(session, found)
        standings = board_page(session, found, BoardQuery(size=TOP_ROWS))
        announced = announcements(session, found)
    sheet = competitions.prepared_competition(found).contact_sheet
    view = views.competition_page(
        facts,
        competitions.specification(found),
        standings,
        sheet,
        announced,
        str(request.base_url),
        now=utc_now(),
    )
    return page(request, "competition/competition.html", view, visitor)


@router.api_route("/errors", methods=READ)
def errors(request: Request, visitor: OptionalVisitor) -> Response:
    """Every way in which a submission can end without a score, with what to do about it."""
    return page(request, "errors/errors.html", views.errors_page(), visitor)


@router.api_route("/competitions/{slug}/contact-sheet.png", methods=READ)
def contact_sheet(slug: str, request: Request, context: AppContext) -> Response:
    """A picture of the practice photographs."""
    with context.database.read() as session:
        sheet = competitions.prepared_competition(competitions.get_competition(session, slug)).contact_sheet
    tag = f'"{sheet.sha256[:32]}"'
    headers = {**SECURITY_HEADERS, "ETag": tag, "Cache-Control": "public, max-age=3600"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        data = context.artifacts.get(sheet)
    except ArtifactMissing as error:
        raise ContactSheetMissing(texts.CONTACT_SHEET_MISSING.format(slug=slug)) from error
    return Response(data, media_type="image/png", headers=headers)
