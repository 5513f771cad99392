"""The web pages: competitions, one competition, its leaderboard and its contact sheet."""

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from evaluator.artifacts import ArtifactMissing
from evaluator.contract.states import Evaluation
from server.competitions import acts
from server.competitions import service as competitions
from server.competitions.phases import Phase, phase
from server.context import AppContext
from server.errors import NotFound
from server.leaderboard import service as leaderboards
from server.pages import views
from server.pages.rendering import READ, SECURITY_HEADERS, STATIC, Assets, is_known, page
from server.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)


class ContactSheetMissing(NotFound):
    """The competition's contact sheet is not in the artifact store."""

    code = "contact_sheet_missing"
    title = "No contact sheet"


def mount_static(app: FastAPI) -> None:
    """Serve the pages' static files below /static."""
    app.mount("/static", Assets(directory=STATIC), name="static")


@router.api_route("/", methods=READ)
def home(request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """The competitions of this server."""
    with context.database.read() as session:
        rows = competitions.list_rows(session)
    return page(request, "home.html", views.home_page(rows, str(request.base_url)), visitor)


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
        standings = leaderboards.leaderboard(session, found)
        announced = acts.announcements(session, found)
    sheet = competitions.dossier(found).contact_sheet
    view = views.competition_page(facts, standings, sheet, announced, str(request.base_url))
    return page(request, "competition.html", view, visitor)


@router.api_route("/competitions/{slug}/leaderboard", methods=READ)
def leaderboard(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation | None = None,
) -> Response:
    """The standings, drawn on one scale; after the reveal the final ones, unless the public ones are asked for."""
    with context.database.read() as session:
        found = competitions.get_competition(session, slug)
        row = competitions.row(session, found)
        is_revealed = phase(found) is Phase.REVEALED
        shown = view or (Evaluation.FINAL if is_revealed else Evaluation.PUBLIC)
        leaderboards.require_visible(found, shown)
        standings = leaderboards.leaderboard(session, found, shown)
    board = views.leaderboard_page(row, standings, str(request.base_url), is_revealed=is_revealed)
    return page(request, "leaderboard.html", board, visitor)


@router.api_route("/competitions/{slug}/contact-sheet.png", methods=READ)
def contact_sheet(slug: str, request: Request, context: AppContext) -> Response:
    """A picture of the practice photographs."""
    with context.database.read() as session:
        sheet = competitions.dossier(competitions.get_competition(session, slug)).contact_sheet
    tag = f'"{sheet.sha256[:32]}"'
    headers = {**SECURITY_HEADERS, "ETag": tag, "Cache-Control": "public, max-age=3600"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        data = context.artifacts.get(sheet)
    except ArtifactMissing as error:
        raise ContactSheetMissing(f"The contact sheet of {slug} is not in the artifact store.") from error
    return Response(data, media_type="image/png", headers=headers)
