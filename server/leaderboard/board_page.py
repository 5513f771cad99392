"""A page of a board as people look at it: in any order, searched, with members, movement and each team's rise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from evaluator.contract.states import Evaluation
from server.competitions.disclosure import round_score, round_time
from server.leaderboard.schemas import IntervalView, LeaderboardRow
from server.leaderboard.service import merged, reference_rows
from server.models import Competition, Score, Standing, Team, TeamMember, User
from server.models.times import utc_now

PAGE = 50
"""Teams on a page of a board. Each row is drawn, and a browser draws all of them before it shows the first."""


class BoardOrder(StrEnum):
    """What a board may be sorted by; with a minus before it, downwards."""

    RANK = "rank"
    TEAM = "team"
    SCORE = "score"
    ENTRIES = "entries"
    LAST = "last"


@dataclass(frozen=True)
class BoardQuery:
    """Which part of a board is asked for. `page` counts from 1; `order` may begin with a minus."""

    evaluation: Evaluation = Evaluation.PUBLIC
    search: str = ""
    order: str = BoardOrder.RANK
    page: int = 1
    size: int = PAGE

    @property
    def is_natural(self) -> bool:
        """Whether the rows come best score first, all of them."""
        return not self.search and self.order in {"rank", "-score"}


@dataclass(frozen=True)
class TeamRow:
    """A ranked team; `is_shared`: others have its rank, too.

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
    """The rows of a page in their order, reference rows among them, and what all pages share.

    `low` and `top` bound the values on all pages; `since` is the first score of a team on this one. `found` is the
    number of teams that the search found, `teams` and `entries` those of the whole board.
    """

    rows: tuple[TeamRow | LeaderboardRow, ...]
    references: tuple[LeaderboardRow, ...]
    low: float
    top: float
    since: datetime | None
    found: int
    teams: int
    entries: int
    updated_at: datetime | None


def board_page(session: Session, competition: Competition, wanted: BoardQuery) -> BoardPage:
    """The part of the board that is wanted; reference rows stand among the teams where those come by score."""
    board = (Standing.competition_id == competition.id, Standing.evaluation == wanted.evaluation)
    ranked = (*board, Standing.position > 0)
    teams, entries, updated, low, top = session.execute(
        select(
            func.count(), func.sum(Standing.entries), func.max(Standing.updated_at),
            func.min(Score.interval_low), func.max(Score.interval_high),
        ).select_from(Standing).join(Score, Score.id == Standing.score_id).where(*ranked)
    ).one()  # fmt: skip
    query = _rows().where(*ranked)
    found = teams
    if wanted.search:
        query = query.where(_matches(wanted.search))
        found = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    query = query.order_by(*_ordering(wanted.order)).limit(wanted.size).offset((wanted.page - 1) * wanted.size)
    shown = _team_rows(session, competition, session.execute(query).all(), wanted.evaluation)
    references = reference_rows(session, competition, wanted.evaluation)
    is_last = wanted.page * wanted.size >= found
    return BoardPage(
        rows=_placed(shown, references, wanted, above=_last_above(session, competition, wanted), is_last=is_last),
        references=tuple(references),
        low=min(0.0, round_score(low or 0.0)),
        top=max(0.0, round_score(top or 0.0), *(row.interval.high for row in references), 0.0),
        since=min((row.best[0][0] for row in shown if row.best), default=None),
        found=found,
        teams=teams,
        entries=entries or 0,
        updated_at=None if updated is None else round_time(updated),
    )


def own_row(session: Session, competition: Competition, team: Team, evaluation: Evaluation) -> TeamRow | None:
    """The team's row, or None while it has none."""
    found = session.execute(
        _rows().where(Standing.team_id == team.id, Standing.evaluation == evaluation, Standing.position > 0)
    ).all()
    return next(iter(_team_rows(session, competition, found, evaluation)), None)


def _team_rows(
    session: Session, competition: Competition, found: Sequence[Any], evaluation: Evaluation
) -> list[TeamRow]:
    """What `_rows` found, with members, movement and history."""
    identifiers = [row.team_id for row in found]
    members = _members(session, identifiers)
    shared = set(
        session.scalars(
            select(Standing.rank)
            .where(Standing.competition_id == competition.id, Standing.evaluation == evaluation, Standing.position > 0)
            .group_by(Standing.rank)
            .having(func.count() > 1)
        )
    )
    today = utc_now().date()
    return [
        TeamRow(
            line=LeaderboardRow(
                rank=row.rank,
                team=row.name,
                score=round_score(row.final_score),
                interval=IntervalView(low=round_score(row.interval_low), high=round_score(row.interval_high)),
                entries=row.entries,
                last_scored_at=None if row.last_scored_at is None else round_time(row.last_scored_at),
                reference=None,
                public_rank=row.public_rank if evaluation is Evaluation.FINAL else None,
            ),
            is_shared=row.rank in shared,
            members=members.get(row.team_id, ()),
            moved=_moved(row.rank, row.rank_before, row.ranked_on, today),
            best=_rises(row.score_history),
        )
        for row in found
    ]


def _rows() -> Select[*tuple[Any, ...]]:
    public = aliased(Standing)
    return (
        select(
            Standing.team_id, Standing.rank, Standing.rank_before, Standing.ranked_on, Standing.entries,
            Standing.last_scored_at, Standing.score_history, Team.name,
            Score.final_score, Score.interval_low, Score.interval_high,
            public.rank.label("public_rank"),
        )
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
        .outerjoin(public, (public.team_id == Standing.team_id) & (public.evaluation == Evaluation.PUBLIC))
    )  # fmt: skip


def _matches(search: str) -> Any:
    """Teams whose name, or a member's name, contains `search`, whatever its case."""
    key = search.casefold()
    by_member = (
        select(TeamMember.team_id)
        .join(User, User.id == TeamMember.user_id)
        .where(User.username_key.contains(key, autoescape=True))
    )
    return or_(Team.name_key.contains(key, autoescape=True), Standing.team_id.in_(by_member))


def _ordering(order: str) -> tuple[Any, ...]:
    column = {
        BoardOrder.RANK: Standing.position,
        BoardOrder.TEAM: Team.name_key,
        BoardOrder.SCORE: -Standing.position,
        BoardOrder.ENTRIES: Standing.entries,
        BoardOrder.LAST: Standing.last_scored_at,
    }[BoardOrder(order.removeprefix("-"))]
    return (column.desc() if order.startswith("-") else column.asc(), Standing.position)


def _last_above(session: Session, competition: Competition, wanted: BoardQuery) -> float:
    """The score of the last team on the page before this one; infinite on the first page."""
    score = session.scalar(
        select(Score.final_score)
        .join(Standing, Standing.score_id == Score.id)
        .where(
            Standing.competition_id == competition.id,
            Standing.evaluation == wanted.evaluation,
            Standing.position == (wanted.page - 1) * wanted.size,
        )
    )
    return math.inf if wanted.page == 1 or score is None else round_score(score)


def _placed(
    shown: list[TeamRow], references: list[LeaderboardRow], wanted: BoardQuery, *, above: float, is_last: bool
) -> tuple[TeamRow | LeaderboardRow, ...]:
    """References where their scores belong, each on one page only; behind the teams when those are in other orders."""
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


def _members(session: Session, identifiers: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    found = session.execute(
        select(TeamMember.team_id, User.username)
        .join(User, User.id == TeamMember.user_id)
        .where(TeamMember.team_id.in_(identifiers))
        .order_by(User.username_key)
    )
    members: dict[UUID, tuple[str, ...]] = {}
    for team_id, name in found:
        members[team_id] = (*members.get(team_id, ()), name)
    return members


def _rises(stored: list[Any]) -> tuple[tuple[datetime, float], ...]:
    return tuple((round_time(datetime.fromisoformat(moment)), round_score(score)) for moment, score in stored)
