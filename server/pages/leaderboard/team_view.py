"""One row of a board with everything behind it, as values for its template."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from lethe.evaluator.contract.states import Evaluation
from lethe.server.leaderboard.board_page import BoardPage, TeamRow
from lethe.server.leaderboard.rank_reasons import RankReasons
from lethe.server.pages.board import Board, Head, Row, board, plain_heads, row, rows_at
from lethe.server.pages.card import Card
from lethe.server.pages.formatting import Moment, count_text, moment, score_text

NAMED = 12
"""Teams that a list names; of more it says how many."""
RISES = 8
"""Rises of the best score that are listed, the newest ones."""


@dataclass(frozen=True)
class Compared:
    """Teams that compare alike with this one: the first names, and how many more."""

    title: str
    names: tuple[str, ...]
    more: str


@dataclass(frozen=True)
class TeamRowPage:
    """The whole page; `board` has the scale of the whole board, on which `row` is drawn.

    `badge` is Markdown of a picture of the rank that leads to the page, `address` the page's on this site.
    """

    card: Card
    evaluation: str
    board: Board
    heads: dict[str, Head]
    row: Row
    rule: str
    compared: tuple[Compared, ...]
    places: str
    rises: tuple[tuple[Moment, str], ...]
    badge: str
    address: str
    contact_sheet: str


def team_row_page(
    card: Card,
    evaluation: Evaluation,
    source: BoardPage,
    team: TeamRow,
    why: RankReasons,
    *,
    site: str,
    contact_sheet: str,
) -> TeamRowPage:
    """Return the page of `team`; `source` is any page of its board, `site` the address of this site."""
    address = f"{rows_at(card.slug, evaluation)}{quote(team.line.team, safe='')}"
    rises = [(moment(when), score_text(score)) for when, score in reversed(team.best[-RISES:])]
    return TeamRowPage(
        card=card,
        evaluation=evaluation,
        board=board(source),
        heads=plain_heads(),
        row=row(source, team),
        rule=_rule(team, why),
        compared=(
            _compared("Significantly better", why.better),
            _compared("Not distinguishable", why.alike),
            _compared("Significantly worse", why.worse),
        ),
        places=_places(why),
        rises=tuple(rises),
        badge=_badge(card.slug, team.line.team, site, address),
        address=address,
        contact_sheet=contact_sheet,
    )


def _badge(slug: str, team: str, site: str, address: str) -> str:
    """Return Markdown without any text of people: names stand in addresses alone, where they are quoted."""
    picture = f"{site}/competitions/{slug}/badge.svg?team={quote(team, safe='')}"
    return f"[![Rank in {slug}]({picture})]({site}{address})"


def _rule(team: TeamRow, why: RankReasons) -> str:
    """Return why the rank is what it is, where the comparisons show it."""
    rank = team.line.rank or 0
    if not why.has_all_above:
        return f"Rank {rank:,}: one more than the number of significantly better teams."
    if rank == 1 + len(why.better):
        better = "no team is" if rank == 1 else f"{count_text(rank - 1, 'team is', 'teams are')}"
        return f"Rank {rank:,}: {better} significantly better."
    return f"Rank {rank:,}: no rank is better than that of a team with a higher score."


def _places(why: RankReasons) -> str:
    """Return which teams are compared, where it is not all of them."""
    sides = {f"{why.places} above": not why.has_all_above, f"{why.places} below": not why.has_all_below}
    if not any(sides.values()):
        return ""
    return f"Compared with the nearest teams: {' and '.join(side for side, is_cut in sides.items() if is_cut)} it."


def _compared(title: str, names: Sequence[str]) -> Compared:
    more = len(names) - NAMED
    return Compared(title, tuple(names[:NAMED]), f"and {more:,} more" if more > 0 else "")
