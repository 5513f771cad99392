"""A page of a board for people: in any order, searched, with members, movement and the history of best scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.disclosure import round_score, round_time
from lethe.server.leaderboard import queries
from lethe.server.leaderboard.queries import BoardQuery
from lethe.server.leaderboard.schemas import ColumnView, LeaderboardRow
from lethe.server.leaderboard.service import (
    columns_of,
    merged,
    reference_rows,
    shown_beside_scores,
    task_names,
    team_row,
)
from lethe.server.models import Competition, Team
from lethe.server.models.times import utc_now


@dataclass(frozen=True)
class TeamRow:
    """A ranked team; `is_shared`: other teams have the same rank.

    `moved`: places gained since the last midnight (UTC), None for a team that was not on the board. `best`: when the
    team's best score rose, and to what, oldest first; rounded as everything on a board is.
    """

    line: LeaderboardRow
    is_shared: bool
    members: tuple[str, ...]
    moved: int | None
    best: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True)
class BoardPage:
    """The rows of a page in their order, reference rows among them, and values that all pages share.

    `low` and `top` bound the values on all pages, or if `is_zoomed` those of the teams on this one; `since` is the
    first score of a team on this one. `found` is the number of teams that match the search, `teams` and `entries` those
    of the whole board.
    """

    rows: tuple[TeamRow | LeaderboardRow, ...]
    columns: tuple[ColumnView, ...]
    tasks: tuple[str, ...]
    references: tuple[LeaderboardRow, ...]
    low: float
    top: float
    is_zoomed: bool
    since: datetime | None
    found: int
    teams: int
    entries: int
    updated_at: datetime | None


def board_page(session: Session, competition: Competition, wanted: BoardQuery) -> BoardPage:
    """Return the wanted part of the board; reference rows stand among the teams where those come by score."""
    board = {"competition_id": competition.id, "evaluation": wanted.evaluation}
    total = queries.board_totals.rows(session, **board).one()
    found = queries.count_matches(session, competition, wanted) if wanted.search else total.teams
    shown = _team_rows(session, competition, wanted.evaluation, queries.page_rows(session, competition, wanted))
    references = reference_rows(session, competition, wanted.evaluation)
    above = None if wanted.page == 1 else queries.score_at.rows(session, **board, position=wanted.offset).scalar()
    is_last = wanted.offset + wanted.size >= found
    lines = [*(row.line for row in shown), *references]
    is_zoomed = wanted.zoom and bool(shown)
    if is_zoomed:
        low = min(row.line.interval.low for row in shown)
        top = max(row.line.interval.high for row in shown)
    else:
        low = min(0.0, round_score(total.low or 0.0))
        top = max(0.0, round_score(total.high or 0.0), *(row.interval.high for row in references), 0.0)
    placed = _placed(
        shown, references, wanted, above=math.inf if above is None else round_score(above), is_last=is_last
    )
    return BoardPage(
        rows=placed,
        columns=tuple(columns_of(lines)),
        tasks=tuple(task_names(one if isinstance(one, LeaderboardRow) else one.line for one in placed)),
        references=tuple(references),
        low=low,
        top=top,
        is_zoomed=is_zoomed,
        since=min((row.best[0][0] for row in shown if row.best), default=None),
        found=found,
        teams=total.teams,
        entries=total.entries or 0,
        updated_at=None if total.updated_at is None else round_time(total.updated_at),
    )


def own_row(session: Session, competition: Competition, team: Team, evaluation: Evaluation) -> TeamRow | None:
    """Return the team's row, or None while it has none."""
    return next(iter(_team_rows(session, competition, evaluation, queries.team_rows(session, team, evaluation))), None)


def _team_rows(
    session: Session, competition: Competition, evaluation: Evaluation, rows: Sequence[Any]
) -> list[TeamRow]:
    """Return the rows with their teams' members, movement and history."""
    shows = shown_beside_scores(session, competition, evaluation)
    members = _members(session, [row.team_id for row in rows])
    board = {"competition_id": competition.id, "evaluation": evaluation}
    shared = set(queries.shared_ranks.rows(session, **board).scalars())
    today = utc_now().date()
    return [
        TeamRow(
            line=team_row(row, shows),
            is_shared=row.rank in shared,
            members=members.get(row.team_id, ()),
            moved=_moved(row.rank, row.rank_before, row.ranked_on, today),
            best=_rounded(row.score_history),
        )
        for row in rows
    ]


def _placed(
    shown: list[TeamRow], references: list[LeaderboardRow], wanted: BoardQuery, *, above: float, is_last: bool
) -> tuple[TeamRow | LeaderboardRow, ...]:
    """Put references where their scores belong, each on one page only; behind the teams when those are in other orders.

    `above` is the score of the last team on the page before this one, infinite on the first page.
    """
    if not wanted.is_natural:
        return (*shown, *references)
    below = shown[-1].line.score if shown and not is_last else -math.inf
    here = [row for row in references if below <= row.score < above]
    teams = {row.line.team: row for row in shown}
    lines = merged([row.line for row in shown], here)
    return tuple(line if line.reference else teams[line.team] for line in lines)


def _moved(rank: int, before: int | None, ranked_on: date | None, today: date) -> int | None:
    """Places gained since the last midnight. A board that nobody has changed today has not moved."""
    if ranked_on != today:
        return 0
    return None if before is None else before - rank


def _members(session: Session, team_ids: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    members: dict[UUID, tuple[str, ...]] = {}
    for row in queries.team_members.rows(session, team_ids=team_ids):
        members[row.team_id] = (*members.get(row.team_id, ()), row.username)
    return members


def _rounded(history: list[Any]) -> tuple[tuple[datetime, float], ...]:
    return tuple((round_time(datetime.fromisoformat(moment)), round_score(score)) for moment, score in history)
