"""The boards as everybody sees them: pages of teams with the reference rows among them, as JSON and as CSV."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.measures.registry import measures
from lethe.server.competitions.disclosure import Viewer, round_score, round_time, visibility
from lethe.server.competitions.phases import phase
from lethe.server.competitions.queries import find_calendar
from lethe.server.competitions.service import get_competition, shows_methods
from lethe.server.errors import NotFound
from lethe.server.http.csv_table import csv_table
from lethe.server.leaderboard import queries
from lethe.server.leaderboard.schemas import ColumnView, IntervalView, Leaderboard, LeaderboardRow, TaskScoreView
from lethe.server.leaderboard.standings import is_frozen
from lethe.server.models import Competition

REFERENCE_TITLES = {"ceiling": "Ceiling: other oracles", "floor": "Floor: does nothing"}
LAST = 2**31 - 1
_TASK_METRIC = ("forgetting_quality", "ceiling", "retain_ratio", "test_ratio")
CSV_COLUMNS = (
    *("rank", "team", "score", "interval_low", "interval_high", "entries", "last_scored_at", "reference"),
    *("public_rank", "method", "link"),
)


class FinalNotRevealed(NotFound):
    """The final board exists only after the host's reveal."""

    code = "final_not_revealed"
    title = "Final board not revealed"


class NoBenchmark(NotFound):
    """The competition was never kept open as a benchmark."""

    code = "no_benchmark"
    title = "No benchmark"


def get_calendar(session: Session, slug: str) -> Competition:
    """Return the published competition without its documents, which no board needs; raises CompetitionNotFound."""
    return find_calendar(session, slug) or get_competition(session, slug)


def require_visible(competition: Competition, evaluation: Evaluation, viewer: Viewer = Viewer.STRANGER) -> None:
    """Raise FinalNotRevealed when `viewer` may not see that board yet, NoBenchmark if there is none."""
    if evaluation is Evaluation.BENCHMARK and competition.benchmark_started_at is None:
        raise NoBenchmark(f"{competition.slug} takes no uploads after its end. Ask for view=final or view=public.")
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
    """Return `limit` teams (None: all) from `offset` on, best score first, with every reference row among them."""
    board = _board(competition, evaluation)
    last = LAST if limit is None else offset + limit
    shows = shown_beside_scores(session, competition, evaluation)
    found = queries.ranked_rows.rows(session, evaluation, **board, first=offset + 1, last=last)
    teams = [team_row(row, shows) for row in found]
    extent = queries.board_extent.rows(session, **board).one()
    references = reference_rows(session, competition, evaluation)
    total, end = extent.teams or 0, offset + len(teams)
    rows = merged(teams, references)
    return Leaderboard(
        competition=competition.slug,
        title=competition.title,
        view=evaluation.value,
        updated_at=None if extent.updated_at is None else round_time(extent.updated_at),
        frozen=is_frozen(competition, evaluation),
        teams=total,
        next_offset=end if end < total else None,
        columns=columns_of(rows),
        rows=rows,
    )


def merged(teams: list[LeaderboardRow], references: list[LeaderboardRow]) -> list[LeaderboardRow]:
    """Put reference rows between the teams by score and leave the teams in their order."""
    merged: list[LeaderboardRow] = []
    waiting = sorted(references, key=lambda row: -row.score)
    for row in teams:
        while waiting and waiting[0].score > row.score:
            merged.append(waiting.pop(0))
        merged.append(row)
    return merged + waiting


@dataclass(frozen=True)
class BesideScores:
    """What rows of a board show beside their scores: values of the host's measures, methods with their links."""

    measures: bool
    methods: bool


def shown_beside_scores(session: Session, competition: Competition, evaluation: Evaluation) -> BesideScores:
    """Return what the board shows now; that of a benchmark never shows measures."""
    return BesideScores(measures=evaluation is not Evaluation.BENCHMARK, methods=shows_methods(session, competition))


def team_row(row: Row[Any], shows: BesideScores) -> LeaderboardRow:
    """Return a row of `queries.ranked_rows` as everybody may see it: the score and the time rounded."""
    return LeaderboardRow(
        rank=row.rank,
        team=row.name,
        score=round_score(row.final_score),
        interval=_interval(row),
        entries=row.entries,
        last_scored_at=None if row.last_scored_at is None else round_time(row.last_scored_at),
        reference=None,
        measures=rounded(row.shown_measures) if shows.measures else {},
        tasks={task.name: task.score for task in task_scores(row.breakdown)},
        public_rank=row.public_rank,
        method=row.method if shows.methods else None,
        link=row.link if shows.methods else None,
    )


def task_scores(breakdown: Mapping[str, Any] | None, *, with_metric: bool = False) -> list[TaskScoreView]:
    """Return what each task gave, rounded as scores are; nothing of a score without tasks.

    `with_metric` for those who may see what a score is made of.
    """
    return [
        TaskScoreView(
            name=task["name"],
            share=task["share"],
            score=round_score(task["score"]),
            interval=IntervalView(low=round_score(task["interval"][0]), high=round_score(task["interval"][1])),
            metric={name: round_score(task[name]) for name in _TASK_METRIC} if with_metric else None,
        )
        for task in (breakdown or {}).get("tasks", ())
    ]


def task_names(rows: Iterable[LeaderboardRow]) -> list[str]:
    """Return the tasks that the rows have scores of, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row.tasks))


def rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return the values of a row's columns, rounded as scores are."""
    return {key: None if value is None else round_score(value) for key, value in values.items()}


def columns_of(rows: Iterable[LeaderboardRow]) -> list[ColumnView]:
    """Return the columns that some row has a value of, in the registry's order."""
    shown = {key for row in rows for key in row.measures}
    if not shown:
        return []
    return [
        ColumnView(key=key, title=one.column_title(key), unit=one.unit, best=one.best)
        for one in measures().values()
        for key in one.keys
        if key in shown
    ]


def reference_rows(session: Session, competition: Competition, evaluation: Evaluation) -> list[LeaderboardRow]:
    """Return ceiling, floor and baselines, which take no rank."""
    has_measures = evaluation is not Evaluation.BENCHMARK
    references = queries.reference_scores.rows(session, **_board(competition, evaluation.reference))
    baselines = queries.baseline_scores.rows(session, **_board(competition, evaluation))
    return [
        *(_reference_row(REFERENCE_TITLES[row.reference], row, row.reference, has_measures) for row in references),
        *(_reference_row(row.name, row, "baseline", has_measures) for row in baselines),
    ]


def _reference_row(name: str, score: Row[Any], kind: str, with_measures: bool) -> LeaderboardRow:
    return LeaderboardRow(
        rank=None,
        team=name,
        score=round_score(score.final_score),
        interval=_interval(score),
        entries=0,
        last_scored_at=None,
        reference=kind,
        measures=rounded(score.shown_measures) if with_measures else {},
        tasks={task.name: task.score for task in task_scores(score.breakdown)},
    )


def _interval(score: Row[Any]) -> IntervalView:
    return IntervalView(low=round_score(score.interval_low), high=round_score(score.interval_high))


def as_csv(board: Leaderboard) -> str:
    """Return the board as CSV with a header, the host's measures and the tasks last; references have an empty rank."""
    tasks = task_names(board.rows)
    keys = [column.key for column in board.columns]
    return csv_table(
        (*CSV_COLUMNS, *keys, *(f"task {name}" for name in tasks)),
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
                row.method,
                row.link,
                *(row.measures.get(key) for key in keys),
                *(row.tasks.get(name) for name in tasks),
            ]
            for row in board.rows
        ),
    )


def _board(competition: Competition, evaluation: Evaluation) -> dict[str, Any]:
    return {"competition_id": competition.id, "evaluation": evaluation}
