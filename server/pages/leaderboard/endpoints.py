"""The route of the leaderboard, which the server searches, sorts and cuts, so that the page needs no script."""

from threading import Lock
from typing import Annotated

from cachetools import LRUCache
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions import service as competitions
from lethe.server.competitions.phases import phase, shown_first
from lethe.server.context import AppContext, Context
from lethe.server.http.sub_path import root_path, site_url
from lethe.server.leaderboard import service
from lethe.server.leaderboard.board_page import board_page, own_row
from lethe.server.leaderboard.queries import BoardOrder, BoardQuery
from lethe.server.leaderboard.rank_reasons import rank_reasons, ranked_team
from lethe.server.models import Competition
from lethe.server.models.times import utc_now
from lethe.server.pages.card import card, left_text
from lethe.server.pages.competition.contact_sheet import sheet_path
from lethe.server.pages.leaderboard.team_view import team_row_page
from lethe.server.pages.leaderboard.view import DrawnBoard, draw_board, leaderboard_page
from lethe.server.pages.rendering import client_has, entity_tag, not_modified, render_page
from lethe.server.security.sessions import OptionalVisitor

router = APIRouter(include_in_schema=False)

BOARDS_KEPT = 64


class Boards:
    """The parts of boards that were drawn last, by everything that they depend on.

    With 1,000 teams a cached part answers in 16 ms instead of 326 ms (medians of `benchmarks.pages`, rows "again" and
    "first of 9 other pages", on two busy cores), and everybody looks at the first one.
    """

    def __init__(self) -> None:
        self._drawn: LRUCache[tuple[object, ...], DrawnBoard] = LRUCache(BOARDS_KEPT)
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> DrawnBoard | None:
        """Return the part, or None if it is not cached."""
        with self._lock:
            return self._drawn.get(key)

    def put(self, key: tuple[object, ...], drawn: DrawnBoard) -> None:
        """Store the part; the one that has not been used for the longest time makes room."""
        with self._lock:
            self._drawn[key] = drawn


def _boards(_context: Context) -> Boards:
    return Boards()


@router.get("/competitions/{slug}/leaderboard")
def leaderboard(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation | None = None,
    q: Annotated[str, Query(max_length=80)] = "",
    sort: Annotated[str, Query(pattern=f"^-?({'|'.join(BoardOrder)})$")] = BoardOrder.RANK,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
    zoom: bool = False,
) -> Response:
    """Show the standings on one scale; after the reveal the final ones, unless `view` asks for the public ones.

    One light query gives everything that the page depends on, so an unchanged page costs no more than that query.
    """
    with context.database.read() as session:
        competition = service.get_calendar(session, slug)
        current = phase(competition)
        evaluation = view or shown_first(competition)
        service.require_visible(competition, evaluation)
        query = BoardQuery(evaluation, q.strip(), sort, page_number, zoom)
        now = utc_now()
        key = (competition.id, competition.board_version, now.date(), query)
        beside = (current, left_text(current, competition, now), sheet_path(competition))
        tag = entity_tag(request, "leaderboard/leaderboard.html", visitor, key, *beside)
        if client_has(request, tag):
            return not_modified(tag, visitor)
        drawn = _drawn_board(root_path(request), context.one(_boards), session, competition, query, key)
        shown = leaderboard_page(session, competition, current, query, drawn, visitor, site_url(request))
    return render_page(request, "leaderboard/leaderboard.html", shown, visitor, tag=tag)


def _drawn_board(
    root: str,
    boards: Boards,
    session: Session,
    competition: Competition,
    query: BoardQuery,
    key: tuple[object, ...],
) -> DrawnBoard:
    shown = boards.get(key)
    if shown is None:
        shown = draw_board(root, competition.slug, query, board_page(session, competition, query))
        if not query.search:  # searches hardly ever repeat
            boards.put(key, shown)
    return shown


@router.get("/competitions/{slug}/leaderboard/team")
def team_row(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    name: Annotated[str, Query(max_length=200)],
    view: Evaluation = Evaluation.PUBLIC,
) -> Response:
    """Show one row of a board with everything behind it: which teams are better, members, movement, history."""
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        service.require_visible(competition, view)
        team = ranked_team(session, competition, view, name)
        own = own_row(session, competition, team, view)
        assert own is not None  # noqa: S101 - a ranked team has a row
        shown = team_row_page(
            card(competitions.row(session, competition)),
            view,
            board_page(session, competition, BoardQuery(view, size=1)),
            own,
            rank_reasons(session, competition, view, team),
            site=site_url(request),
            contact_sheet=sheet_path(competition),
        )
    return render_page(request, "leaderboard/team.html", shown, visitor)
