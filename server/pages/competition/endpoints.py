"""Routes of the home page, of the overview of a competition, and of its contact sheet."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from lethe.evaluator.artifacts import ArtifactMissing
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions import service as competitions
from lethe.server.competitions.phases import Phase
from lethe.server.competitions.queries import announcements
from lethe.server.context import AppContext
from lethe.server.errors import NotFound
from lethe.server.http.sub_path import public_url
from lethe.server.leaderboard.board_page import board_page
from lethe.server.leaderboard.queries import BoardQuery, own_places
from lethe.server.models.times import utc_now
from lethe.server.pages.competition import view
from lethe.server.pages.rendering import SECURITY_HEADERS, client_has, render_page
from lethe.server.security.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)

TOP_ROWS = 5


class ContactSheetMissing(NotFound):
    """The competition's contact sheet is not in the artifact store."""

    code = "contact_sheet_missing"
    title = "No contact sheet"


@router.get("/")
def home(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """List the competitions of this server."""
    with context.database.read() as session:
        rows = competitions.list_rows(session)
        places = {} if visitor is None else own_places(session, visitor.user.id)
    shown = view.home_page(rows, places, public_url(request))
    return render_page(request, "competition/home.html", shown, visitor)


@router.get("/competitions")
def all_competitions() -> Response:
    """Redirect to the home page, which lists the competitions."""
    return RedirectResponse("/", status_code=308, headers=SECURITY_HEADERS)


@router.get("/competitions/{slug}")
def competition(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show the description of a competition, its contract and limits, and how to submit."""
    with context.database.read() as session:
        found = competitions.get_competition(session, slug)
        facts = competitions.facts(session, found)
        evaluation = Evaluation.FINAL if facts.phase == Phase.REVEALED else Evaluation.PUBLIC
        standings = board_page(session, found, BoardQuery(evaluation, size=TOP_ROWS))
        announced = announcements(session, found)
    sheet = competitions.prepared_once(found).contact_sheet
    overview = view.competition_page(
        facts,
        competitions.specification(found),
        standings,
        sheet,
        announced,
        public_url(request),
        evaluation=evaluation,
        now=utc_now(),
    )
    return render_page(request, "competition/competition.html", overview, visitor)


@router.get("/competitions/{slug}/contact-sheet.png")
def contact_sheet(slug: str, request: Request, context: AppContext) -> Response:
    """Return an image of the practice photographs."""
    with context.database.read() as session:
        sheet = competitions.prepared_competition(competitions.get_competition(session, slug)).contact_sheet
    tag = f'"{sheet.sha256[:32]}"'
    headers = {**SECURITY_HEADERS, "ETag": tag, "Cache-Control": "public, max-age=3600"}
    if client_has(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        data = context.artifacts.get(sheet)
    except ArtifactMissing as error:
        raise ContactSheetMissing(f"The contact sheet of {slug} is not in the artifact store.") from error
    return Response(data, media_type="image/png", headers=headers)
