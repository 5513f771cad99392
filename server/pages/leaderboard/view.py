"""The page of a leaderboard, as values for its template."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy.orm import Session

from lethe.server.competitions.phases import Phase, is_benchmark
from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.competitions.service import calendar, summary
from lethe.server.leaderboard.board_page import BoardPage, own_row
from lethe.server.leaderboard.queries import BoardOrder, BoardQuery
from lethe.server.models import Competition
from lethe.server.pages.board import COLUMNS, Board, Head, Row, board, row, rows_at
from lethe.server.pages.card import Card, card
from lethe.server.pages.competition.contact_sheet import sheet_path
from lethe.server.pages.formatting import Moment, count_text
from lethe.server.pages.rendering import render_macro
from lethe.server.pages.sharing.embed import embed_snippet
from lethe.server.security.sessions import Visitor
from lethe.server.teams.service import find_team

LIVE_POLL_S = 15
DESCENDING_FIRST = {BoardOrder.SCORE, BoardOrder.ENTRIES, BoardOrder.LAST}


@dataclass(frozen=True)
class PageLinks:
    """Place on a board of several pages, with links to its neighbours."""

    text: str
    previous: str
    next: str


@dataclass(frozen=True)
class DrawnBoard:
    """A drawn part of a board: its source, and its table in two pieces, so that a visitor's row fits between them."""

    root: str
    source: BoardPage
    board: Board
    head: Markup
    body: Markup


@dataclass(frozen=True)
class LeaderboardPage:
    """The whole page; `mine` is the row of the visitor's team, `kept` what a search leaves as it is.

    `embed` is the HTML that shows the top of the board on another site.
    """

    card: Card
    head: Markup
    body: Markup
    mine: Row | None
    teams: int
    has_rows: bool
    found: str
    pages: PageLinks | None
    updated: Moment | None
    search: str
    kept: tuple[tuple[str, str], ...]
    csv: str
    json: str
    poll_s: int
    shown: str
    views: tuple[tuple[str, str], ...]
    takes_uploads: bool
    contact_sheet: str
    embed: str


def draw_board(root: str, slug: str, query: BoardQuery, source: BoardPage) -> DrawnBoard:
    """Return the part of a board that `query` asks for, drawn for a site below `root`."""
    drawn = board(source, rows_at(slug, query.evaluation))
    head = render_macro(root, "_board.html", "head", drawn, _heads(slug, query))
    return DrawnBoard(root, source, drawn, head, render_macro(root, "_board.html", "rows", drawn))


def _marked_own(drawn: DrawnBoard, mine: Row) -> Markup:
    """Return the drawn rows, which everybody shares, with "You" beside the name of the visitor's team."""
    name = render_macro(drawn.root, "_board.html", "name", mine)
    return drawn.body.replace(name, render_macro(drawn.root, "_board.html", "name", mine, True))


def leaderboard_page(
    session: Session,
    competition: Competition,
    current: Phase,
    query: BoardQuery,
    drawn_board: DrawnBoard,
    visitor: Visitor | None,
    site: str,
) -> LeaderboardPage:
    """Return the page of a drawn board, with the row of the visitor's team; `site` is the address of this site."""
    slug = competition.slug
    team = None if visitor is None else find_team(session, competition, visitor.user)
    own = None if team is None else own_row(session, competition, team, query.evaluation)
    mine = None if own is None else row(drawn_board.source, own, rows_at(slug, query.evaluation))
    api = f"/api/v1/competitions/{slug}/leaderboard?view={query.evaluation}"
    drawn = drawn_board.board
    return LeaderboardPage(
        card=replace(
            card(
                CompetitionRow(
                    slug=slug,
                    title=competition.title,
                    summary=summary(session, competition),
                    phase=current,
                    benchmark=is_benchmark(competition),
                    teams=drawn.teams,
                    submissions=drawn.entries,
                    **calendar(competition),
                )
            ),
            teams=f"{count_text(drawn.teams, 'team')} with a score",
            submissions=count_text(drawn.entries, "scored submission"),
        ),
        head=drawn_board.head,
        body=drawn_board.body if mine is None else _marked_own(drawn_board, mine),
        mine=mine,
        teams=drawn.teams,
        has_rows=bool(drawn.rows),
        found=f"{count_text(drawn.found, 'team')} found" if query.search else "",
        pages=_pages(slug, query, drawn.found),
        updated=drawn.updated,
        search=query.search,
        kept=tuple((name, value) for name, value in _parameters(query).items() if name != "q" and value),
        csv=f"{api}&format=csv",
        json=f"{api}&format=json",
        poll_s=LIVE_POLL_S,
        shown=query.evaluation,
        views=_views(competition, current),
        takes_uploads=is_benchmark(competition),
        contact_sheet=sheet_path(competition),
        embed=embed_snippet(competition, site),
    )


def _views(competition: Competition, current: Phase) -> tuple[tuple[str, str], ...]:
    """Return the boards that a visitor may choose between, as names in addresses and in words."""
    if current is not Phase.REVEALED:
        return ()
    views = (("final", "Final"), ("public", "Public"))
    return views if competition.benchmark_started_at is None else (*views, ("benchmark", "After the deadline"))


def _heads(slug: str, query: BoardQuery) -> dict[str, Head]:
    title = "Whole scale" if query.zoom else "Zoom to teams"
    zoom = Head("zoom", title, _address(slug, replace(query, zoom=not query.zoom)), "")
    return {"zoom": zoom} | {column.value: _head(slug, query, column, title) for column, title in COLUMNS.items()}


def _head(slug: str, query: BoardQuery, column: BoardOrder, title: str) -> Head:
    natural = f"-{column}" if column in DESCENDING_FIRST else column.value
    turned = natural.removeprefix("-") if natural.startswith("-") else f"-{column}"
    is_current = query.order.removeprefix("-") == column
    following = turned if query.order == natural else natural
    direction = ("descending" if query.order.startswith("-") else "ascending") if is_current else ""
    return Head(f"sort-{column}", title, _address(slug, replace(query, order=following, page=1)), direction)


def _pages(slug: str, query: BoardQuery, found: int) -> PageLinks | None:
    if found <= query.size:
        return None
    first = (query.page - 1) * query.size + 1
    last = min(found, query.page * query.size)
    return PageLinks(
        text=f"{first:,}–{last:,} of {count_text(found, 'team')}" if first <= last else "Nothing on this page",
        previous=_address(slug, replace(query, page=query.page - 1)) if query.page > 1 else "",
        next=_address(slug, replace(query, page=query.page + 1)) if last < found else "",
    )


def _address(slug: str, query: BoardQuery) -> str:
    """Return the address of that part of the board; defaults are left out."""
    parameters = _parameters(query) | {"page": "" if query.page == 1 else str(query.page)}
    return f"/competitions/{slug}/leaderboard?{urlencode({name: value for name, value in parameters.items() if value})}"


def _parameters(query: BoardQuery) -> dict[str, str]:
    return {
        "view": query.evaluation.value,
        "q": query.search,
        "sort": "" if query.order == BoardOrder.RANK else query.order,
        "zoom": "1" if query.zoom else "",
    }
