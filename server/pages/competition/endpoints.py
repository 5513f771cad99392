"""Routes of the home page, of the overview of a competition, and of its contact sheet."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactMissing
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.server.competitions import service as competitions
from lethe.server.competitions.phases import shown_first
from lethe.server.competitions.queries import announcements
from lethe.server.context import AppContext, Context
from lethe.server.errors import NotFound
from lethe.server.http.sub_path import public_url, site_url
from lethe.server.leaderboard.board_page import board_page, own_row
from lethe.server.leaderboard.queries import BoardQuery, own_places
from lethe.server.models import Competition
from lethe.server.models.times import utc_now
from lethe.server.pages.competition import view
from lethe.server.pages.competition.contact_sheet import Sheet, Sheets
from lethe.server.pages.competition.view import OwnStanding
from lethe.server.pages.formatting import score_text
from lethe.server.pages.rendering import SECURITY_HEADERS, client_has, render_page
from lethe.server.pages.sharing.citation import competition_bibtex
from lethe.server.security.sessions import OptionalVisitor, Visitor
from lethe.server.teams.service import find_team

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
        evaluation = shown_first(found)
        standings = board_page(session, found, BoardQuery(evaluation, size=TOP_ROWS))
        announced = announcements(session, found)
        own = None if visitor is None else _own_standing(session, found, visitor)
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
        sheet=None if facts.photographs_deleted_at else _sheet(context, sheet),
        own=own,
        cite=competition_bibtex(facts, site_url(request)),
    )
    return render_page(request, "competition/competition.html", overview, visitor)


@router.get("/competitions/{slug}/contact-sheet.webp")
def contact_sheet(slug: str, request: Request, context: AppContext) -> Response:
    """Return an image of the practice photographs."""
    with context.database.read() as session:
        stored = competitions.prepared_competition(competitions.get_competition(session, slug)).contact_sheet
    tag = f'"{stored.sha256[:32]}"'
    headers = {**SECURITY_HEADERS, "ETag": tag, "Cache-Control": "public, max-age=3600"}
    if client_has(request, tag):
        return Response(status_code=304, headers=headers)
    try:
        sheet = context.one(Sheets).get(stored)
    except ArtifactMissing as error:
        raise ContactSheetMissing(f"The contact sheet of {slug} is not in the artifact store.") from error
    return Response(sheet.webp, media_type="image/webp", headers=headers)


def _sheet(context: Context, stored: ArtifactRef) -> Sheet | None:
    """Return the sheet, of which the page needs the size only, or None if the store has none to give now."""
    try:
        return context.one(Sheets).get(stored)
    except ArtifactError:
        return None


def _own_standing(session: Session, competition: Competition, visitor: Visitor) -> OwnStanding | None:
    """Return rank and score of the visitor's team, on the final board after the reveal; None without a team."""
    team = find_team(session, competition, visitor.user)
    if team is None:
        return None
    row = own_row(session, competition, team, shown_first(competition))
    if row is None:
        return OwnStanding(team.name, "", "")
    return OwnStanding(team.name, str(row.line.rank), score_text(row.line.score))
