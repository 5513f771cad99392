"""The leaderboard as ready-made values: rows in words, and their drawing on one common scale."""

from collections import Counter
from dataclasses import dataclass

from server.leaderboard.schemas import Leaderboard, LeaderboardRow
from server.pages.formatting import Moment, moment, score_text
from server.pages.scale import Scale, Tick, anchor, scale_for


@dataclass(frozen=True)
class Drawing:
    """Places in percent of the width: the bar from the scale's zero to the score, and the interval around it."""

    bar_x: float
    bar_width: float
    low_x: float
    high_x: float
    score_x: float
    alternative: str


@dataclass(frozen=True)
class Reference:
    """A line across the whole board, with the interval around it."""

    kind: str
    label: str
    x: float
    band_x: float
    band_width: float
    anchor: str


@dataclass(frozen=True)
class Row:
    """One line of the board. `rank` is empty for reference rows."""

    name: str
    reference: str
    rank: str
    is_shared: bool
    shift: str
    score: str
    interval: str
    entries: int
    last: Moment | None
    drawing: Drawing


@dataclass(frozen=True)
class Board:
    """Rows, best score first, with the axis and the reference lines that all of their drawings share."""

    rows: tuple[Row, ...]
    teams: int
    ticks: tuple[Tick, ...]
    references: tuple[Reference, ...]
    updated: Moment | None


def board(source: Leaderboard, *, limit: int | None = None) -> Board:
    """The board of `source`; with `limit` only the first rows of teams, beside all reference rows."""
    scale = scale_for(
        value for row in source.rows for value in (row.score, row.interval.low, row.interval.high)
    )  # of all rows, so that a shortened board looks like the whole one
    holders = Counter(row.rank for row in source.rows if row.rank is not None)
    teams = [row for row in source.rows if row.reference is None]
    shown = {id(row) for row in teams[:limit]}
    markers = [row for row in source.rows if row.reference is not None]
    return Board(
        rows=tuple(
            _row(row, scale, markers, is_shared=row.rank is not None and holders[row.rank] > 1)
            for row in source.rows
            if row.reference is not None or id(row) in shown
        ),
        teams=len(teams),
        ticks=scale.ticks,
        references=tuple(_reference(row, scale) for row in markers),
        updated=None if source.updated_at is None else moment(source.updated_at),
    )


def _row(row: LeaderboardRow, scale: Scale, markers: list[LeaderboardRow], *, is_shared: bool) -> Row:
    score, low, high = (score_text(value) for value in (row.score, row.interval.low, row.interval.high))
    others = [f"{marker.reference} {score_text(marker.score)}" for marker in markers if marker is not row]
    beside = f"; beside {' and '.join(others)}" if others else ""
    zero = scale.x(0.0)
    return Row(
        name=row.team,
        reference=row.reference or "",
        rank="" if row.rank is None else str(row.rank),
        is_shared=is_shared,
        shift=_shift(row),
        score=score,
        interval=f"{low} to {high}",
        entries=row.entries,
        last=None if row.last_scored_at is None else moment(row.last_scored_at),
        drawing=Drawing(
            bar_x=min(zero, scale.x(row.score)),
            bar_width=round(abs(scale.x(row.score) - zero), 2),
            low_x=scale.x(row.interval.low),
            high_x=scale.x(row.interval.high),
            score_x=scale.x(row.score),
            alternative=f"{score}, 95% interval {low} to {high}{beside}",
        ),
    )


def _shift(row: LeaderboardRow) -> str:
    """How far the final rank lies from the public one, with an arrow; empty where there is nothing to compare."""
    if row.rank is None or row.public_rank is None:
        return ""
    places = row.public_rank - row.rank
    return f"▲ {places}" if places > 0 else f"▼ {-places}" if places < 0 else "="


def _reference(row: LeaderboardRow, scale: Scale) -> Reference:
    kind = row.reference or ""
    x = scale.x(row.score)
    return Reference(
        kind=kind,
        label=kind,
        x=x,
        band_x=scale.x(row.interval.low),
        band_width=scale.width(row.interval.low, row.interval.high),
        anchor=anchor(x),
    )
