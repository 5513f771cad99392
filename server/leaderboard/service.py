"""The boards as everybody sees them: a page of teams with the reference rows among them, as JSON and as CSV."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, select
from sqlalchemy.orm import Session, aliased, defer

from evaluator.contract.states import Evaluation
from server.competitions.disclosure import Viewer, round_score, round_time, visibility
from server.competitions.phases import phase
from server.competitions.service import get_competition
from server.errors import NotFound
from server.http.csv_table import csv_table
from server.leaderboard.schemas import IntervalView, Leaderboard, LeaderboardRow
from server.leaderboard.standings import is_frozen
from server.models import Competition, Score, Standing, Team

REFERENCE_TITLES = {"ceiling": "Ceiling: other oracles", "floor": "Floor: does nothing"}
LAST = 2**31 - 1
CSV_COLUMNS = (
    *("rank", "team", "score", "interval_low", "interval_high", "entries", "last_scored_at", "reference"),
    "public_rank",
)

_NUMBERS = (Score.final_score, Score.interval_low, Score.interval_high)


class FinalNotRevealed(NotFound):
    """The final board exists only after the host's reveal."""

    code = "final_not_revealed"
    title = "Final board not revealed"


def get_calendar(session: Session, slug: str) -> Competition:
    """The published competition without its documents, which no board needs; raises CompetitionNotFound."""
    return session.scalar(_calendar(), {"slug": slug}) or get_competition(session, slug)


def require_visible(competition: Competition, evaluation: Evaluation, viewer: Viewer = Viewer.STRANGER) -> None:
    """Raise FinalNotRevealed when `viewer` may not see that board yet."""
    if evaluation is Evaluation.FINAL and not visibility(viewer, phase(competition)).final:
        raise FinalNotRevealed("The final board is shown after the host reveals it. Ask for view=public.")


def leaderboard(
    session: Session,
    competition: Competition,
    evaluation: Evaluation = Evaluation.PUBLIC,
    *,
    offset: int = 0,
    limit: int | None = None,
) -> Leaderboard:
    """`limit` teams (None: all) from `offset` on, best score first, with every reference row among them."""
    teams = _team_rows(session, competition, evaluation, offset, limit)
    total, updated = session.execute(_extent(), _places(competition, evaluation)).one()
    references = reference_rows(session, competition, evaluation)
    end = offset + len(teams)
    return Leaderboard(
        competition=competition.slug,
        title=competition.title,
        view=evaluation.value,
        updated_at=None if updated is None else round_time(updated),
        frozen=is_frozen(competition, evaluation),
        teams=total or 0,
        next_offset=end if end < (total or 0) else None,
        rows=merged(teams, references),
    )


def merged(teams: list[LeaderboardRow], references: list[LeaderboardRow]) -> list[LeaderboardRow]:
    """Reference rows put between the teams by score, the teams left in their order."""
    merged: list[LeaderboardRow] = []
    waiting = sorted(references, key=lambda row: -row.score)
    for row in teams:
        while waiting and waiting[0].score > row.score:
            merged.append(waiting.pop(0))
        merged.append(row)
    return merged + waiting


def _team_rows(
    session: Session, competition: Competition, evaluation: Evaluation, offset: int, limit: int | None
) -> list[LeaderboardRow]:
    last = LAST if limit is None else offset + limit
    is_final = evaluation is Evaluation.FINAL
    found = session.execute(
        _lines(is_final=is_final), _places(competition, evaluation) | {"first": offset + 1, "last": last}
    )
    return [
        LeaderboardRow(
            rank=row.rank,
            team=row.name,
            score=round_score(row.final_score),
            interval=_interval(row.interval_low, row.interval_high),
            entries=row.entries,
            last_scored_at=None if row.last_scored_at is None else round_time(row.last_scored_at),
            reference=None,
            public_rank=row.public_rank if is_final else None,
        )
        for row in found
    ]


def reference_rows(session: Session, competition: Competition, evaluation: Evaluation) -> list[LeaderboardRow]:
    """Ceiling, floor and baselines, which take no rank."""
    places = _places(competition, evaluation)
    reference_sets = session.execute(_reference_sets(), places)
    baselines = session.execute(_baselines(), places)
    return [
        *(_reference(REFERENCE_TITLES[row.reference], row, row.reference) for row in reference_sets),
        *(_reference(row.name, row, "baseline") for row in baselines),
    ]


def _reference(name: str, score: Row[Any], kind: str) -> LeaderboardRow:
    return LeaderboardRow(
        rank=None,
        team=name,
        score=round_score(score.final_score),
        interval=_interval(score.interval_low, score.interval_high),
        entries=0,
        last_scored_at=None,
        reference=kind,
    )


def _interval(low: float, high: float) -> IntervalView:
    return IntervalView(low=round_score(low), high=round_score(high))


def as_csv(board: Leaderboard) -> str:
    """The board as CSV with a header; reference rows have an empty rank."""
    return csv_table(
        CSV_COLUMNS,
        (
            [
                row.rank,
                row.team,
                row.score,
                row.interval.low,
                row.interval.high,
                row.entries,
                row.last_scored_at.isoformat() if row.last_scored_at else None,
                row.reference,
                row.public_rank,
            ]
            for row in board.rows
        ),
    )


def _places(competition: Competition, evaluation: Evaluation) -> dict[str, Any]:
    return {"competition_id": competition.id, "evaluation": evaluation}


@cache  # making a statement costs as much time as PostgreSQL takes for it
def _calendar() -> Select[Competition]:
    light = (defer(Competition.specification, raiseload=True), defer(Competition.prepared, raiseload=True))
    is_it = (Competition.slug == bindparam("slug"), Competition.opened_at.is_not(None))
    return select(Competition).options(*light).where(*is_it)


@cache
def _extent() -> Select[int | None, Any]:
    """The number of ranked teams, and when the board was changed last; each the end of an index."""
    ends = (func.max(Standing.position), func.max(Standing.updated_at))
    return select(*(select(end).where(*_of_board()).scalar_subquery() for end in ends))


@cache
def _lines(*, is_final: bool) -> Select[*tuple[Any, ...]]:
    """The ranked teams from place `first` to `last`; on the final board with their public ranks."""
    lines = (
        select(
            Standing.rank, Standing.entries, Standing.last_scored_at, Team.name,
            Score.final_score, Score.interval_low, Score.interval_high,
        )
        .join(Team, Team.id == Standing.team_id)
        .join(Score, Score.id == Standing.score_id)
        .where(*_of_board(), Standing.position.between(bindparam("first"), bindparam("last")))
        .order_by(Standing.position)
    )  # fmt: skip
    if not is_final:
        return lines
    public = aliased(Standing)
    is_same = (public.team_id == Standing.team_id) & (public.evaluation == Evaluation.PUBLIC)
    return lines.add_columns(public.rank.label("public_rank")).outerjoin(public, is_same)


@cache
def _reference_sets() -> Select[*tuple[Any, ...]]:
    return select(Score.reference, *_NUMBERS).where(
        Score.competition_id == bindparam("competition_id"),
        Score.evaluation == bindparam("evaluation"),
        Score.reference.is_not(None),
    )


@cache
def _baselines() -> Select[*tuple[Any, ...]]:
    return (
        select(Team.name, *_NUMBERS)
        .join(Standing, Standing.team_id == Team.id)
        .join(Score, Score.id == Standing.score_id)
        .where(*_of_board(), Standing.position == 0)
    )


def _of_board() -> tuple[ColumnElement[bool], ...]:
    return (Standing.competition_id == bindparam("competition_id"), Standing.evaluation == bindparam("evaluation"))
