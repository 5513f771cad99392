"""The page of a leaderboard: searched, sorted and cut by the server, so that it is complete without script."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from server.competitions.phases import Phase, phase
from server.competitions.service import summary
from server.context import AppContext, Context
from server.leaderboard import service
from server.leaderboard.board_page import BoardPage, board_page, own_row
from server.leaderboard.queries import BoardOrder, BoardQuery
from server.models import Competition
from server.models.times import utc_now
from server.pages import texts
from server.pages.board import Board, Head, Row, board, row
from server.pages.competition import view as views
from server.pages.formatting import count_text
from server.pages.rendering import READ, entity_tag, is_known, macro, page, unchanged
from server.pages.snippets import Commands, commands
from server.security.sessions import OptionalVisitor, Visitor
from server.teams.service import find_team

router = APIRouter(include_in_schema=False)

LIVE_POLL_S = 15
BOARDS_KEPT = 64
DOWN_FIRST = {BoardOrder.SCORE, BoardOrder.ENTRIES, BoardOrder.LAST}


@dataclass(frozen=True)
class Pages:
    """Where the reader is on a board of several pages."""

    text: str
    previous: str
    next: str


@dataclass(frozen=True)
class Shown:
    """A drawn part of a board: its source, and its table in two pieces, between which a visitor's row may stand."""

    table: BoardPage
    board: Board
    head: Markup
    body: Markup


@dataclass(frozen=True)
class LeaderboardPage:
    """The whole page; `mine` is the row of the visitor's team."""

    card: views.Card
    head: Markup
    body: Markup
    mine: Row | None
    teams: int
    has_rows: bool
    found: str
    pages: Pages | None
    updated: str
    search: str
    order: str
    csv: str
    json: str
    poll_s: int
    commands: Commands
    shown: str
    is_revealed: bool


class Boards:
    """The parts of boards that were drawn last, by what they depend on."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Shown] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[object, ...]) -> Shown | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[object, ...], shown: Shown) -> None:
        with self._lock:
            self._kept[key] = shown
            while len(self._kept) > BOARDS_KEPT:
                self._kept.popitem(last=False)


def _boards(_context: Context) -> Boards:
    return Boards()


@router.api_route("/competitions/{slug}/leaderboard", methods=READ)
def leaderboard(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation | None = None,
    q: Annotated[str, Query(max_length=80)] = "",
    sort: Annotated[str, Query(pattern=f"^-?({'|'.join(BoardOrder)})$")] = BoardOrder.RANK,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """The standings, drawn on one scale; after the reveal the final ones, unless the public ones are asked for.

    What the page depends on is known from one light query, so an unchanged one costs no more than that.
    """
    with context.database.read() as session:
        competition = service.get_calendar(session, slug)
        current = phase(competition)
        evaluation = view or (Evaluation.FINAL if current is Phase.REVEALED else Evaluation.PUBLIC)
        service.require_visible(competition, evaluation)
        wanted = BoardQuery(evaluation, q.strip(), sort, page_number)
        key = (competition.id, competition.board_version, utc_now().date(), wanted)
        tag = entity_tag(request, "leaderboard/leaderboard.html", visitor, key, current, str(request.base_url))
        if is_known(request, tag):
            return unchanged(tag, visitor)
        shown = _shown(context.one(_boards), session, competition, wanted, key)
        found = _page(session, competition, current, wanted, shown, visitor, str(request.base_url))
    return page(request, "leaderboard/leaderboard.html", found, visitor, tag=tag)


def _shown(
    boards: Boards, session: Session, competition: Competition, wanted: BoardQuery, key: tuple[object, ...]
) -> Shown:
    shown = boards.get(key)
    if shown is None:
        found = board_page(session, competition, wanted)
        drawn = board(found)
        heads = _heads(competition.slug, wanted)
        shown = Shown(found, drawn, macro("_board.html", "head", drawn, heads), macro("_board.html", "rows", drawn))
        if not wanted.search:  # everybody looks for something else
            boards.put(key, shown)
    return shown


def _page(
    session: Session,
    competition: Competition,
    current: Phase,
    wanted: BoardQuery,
    shown: Shown,
    visitor: Visitor | None,
    base_url: str,
) -> LeaderboardPage:
    slug = competition.slug
    team = None if visitor is None else find_team(session, competition, visitor.user)
    mine = None if team is None else own_row(session, competition, team, wanted.evaluation)
    api = f"/api/v1/competitions/{slug}/leaderboard?view={wanted.evaluation}"
    drawn = shown.board
    return LeaderboardPage(
        card=views.Card(
            slug=slug,
            title=competition.title,
            summary=summary(session, competition),
            phase=current,
            phase_text=texts.PHASES[current],
            teams=count_text(drawn.teams, "team"),
            submissions=count_text(drawn.entries, "entry", "entries"),
        ),
        head=shown.head,
        body=shown.body,
        mine=None if mine is None else row(shown.table, mine),
        teams=drawn.teams,
        has_rows=bool(drawn.rows),
        found=texts.FOUND.format(teams=count_text(drawn.found, "team")) if wanted.search else "",
        pages=_pages(slug, wanted, drawn.found),
        updated="" if drawn.updated is None else drawn.updated.text,
        search=wanted.search,
        order=wanted.order,
        csv=f"{api}&format=csv",
        json=f"{api}&format=json",
        poll_s=LIVE_POLL_S,
        commands=commands(base_url, slug),
        shown=wanted.evaluation,
        is_revealed=current is Phase.REVEALED,
    )


def _heads(slug: str, wanted: BoardQuery) -> dict[str, Head]:
    return {column.value: _head(slug, wanted, column, title) for column, title in texts.COLUMNS.items()}


def _head(slug: str, wanted: BoardQuery, column: BoardOrder, title: str) -> Head:
    natural = f"-{column}" if column in DOWN_FIRST else column.value
    turned = natural.removeprefix("-") if natural.startswith("-") else f"-{column}"
    is_current = wanted.order.removeprefix("-") == column
    following = turned if wanted.order == natural else natural
    direction = ("descending" if wanted.order.startswith("-") else "ascending") if is_current else ""
    return Head(f"sort-{column}", title, address(slug, replace(wanted, order=following, page=1)), direction)


def _pages(slug: str, wanted: BoardQuery, found: int) -> Pages | None:
    if found <= wanted.size:
        return None
    first = (wanted.page - 1) * wanted.size + 1
    last = min(found, wanted.page * wanted.size)
    return Pages(
        text=texts.PAGE.format(first=first, last=last, teams=count_text(found, "team"))
        if first <= last
        else texts.EMPTY_PAGE,
        previous=address(slug, replace(wanted, page=wanted.page - 1)) if wanted.page > 1 else "",
        next=address(slug, replace(wanted, page=wanted.page + 1)) if last < found else "",
    )


def address(slug: str, wanted: BoardQuery) -> str:
    """Where the page shows that part of the board; the usual is left out."""
    asked = {
        "view": wanted.evaluation.value,
        "q": wanted.search,
        "sort": "" if wanted.order == BoardOrder.RANK else wanted.order,
        "page": "" if wanted.page == 1 else str(wanted.page),
    }
    return f"/competitions/{slug}/leaderboard?{urlencode({name: value for name, value in asked.items() if value})}"
