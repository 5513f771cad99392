"""The leaderboard as ready-made values: rows in words, and their drawing on one common scale."""

from dataclasses import dataclass
from datetime import datetime

from server.leaderboard.board_page import BoardPage, TeamRow
from server.leaderboard.schemas import LeaderboardRow
from server.pages import texts
from server.pages.formatting import Moment, count_text, moment, score_text
from server.pages.scale import Scale, Tick, anchor, scale_for

SPARK_WIDTH, SPARK_HEIGHT = 72, 20
MARKED = ("ceiling", "floor")
"""The references that every row is drawn against; baselines are many, and rows of their own."""


@dataclass(frozen=True)
class Head:
    """A column's title as a link that sorts by it; `direction` is how it is sorted now, or empty."""

    id: str
    title: str
    href: str
    direction: str


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
class Move:
    """Places gained or lost: `kind` is up, down, same or new, `text` what stands there, `words` what is read aloud."""

    kind: str
    text: str
    words: str


@dataclass(frozen=True)
class Spark:
    """A team's best score over time as the path of a step line, and in words."""

    path: str
    alternative: str


@dataclass(frozen=True)
class Row:
    """One line of the board. `rank` is empty for reference rows, which have neither move nor spark."""

    name: str
    members: str
    reference: str
    rank: str
    is_shared: bool
    move: Move | None
    score: str
    interval: str
    drawing: Drawing
    spark: Spark | None
    entries: int
    last: Moment | None


@dataclass(frozen=True)
class Board:
    """Rows with the axis and the reference lines that all of their drawings share, on every page of the board."""

    rows: tuple[Row, ...]
    teams: int
    entries: int
    found: int
    ticks: tuple[Tick, ...]
    references: tuple[Reference, ...]
    updated: Moment | None


def plain_heads() -> dict[str, Head]:
    """Titles that sort nothing, for a board of which only the top is shown."""
    return {order.value: Head("", title, "", "") for order, title in texts.COLUMNS.items()}


def board(source: BoardPage) -> Board:
    """The rows of `source` in words and drawings."""
    scale = _scale(source)
    return Board(
        rows=tuple(row(source, line) for line in source.rows),
        teams=source.teams,
        entries=source.entries,
        found=source.found,
        ticks=scale.ticks,
        references=tuple(_reference(line, scale) for line in source.references if line.reference in MARKED),
        updated=None if source.updated_at is None else moment(source.updated_at),
    )


def row(source: BoardPage, team: TeamRow | LeaderboardRow) -> Row:
    """One line, on the board's scale."""
    scale = _scale(source)
    if isinstance(team, LeaderboardRow):
        return _row(team, scale, source.references)
    return _row(
        team.line,
        scale,
        source.references,
        members="" if team.members == (team.line.team,) else ", ".join(team.members),
        is_shared=team.is_shared,
        move=_against_public(team.line) if team.line.public_rank is not None else _since_yesterday(team.moved),
        spark=spark(team.best, source.since, source.updated_at),
    )


def _scale(source: BoardPage) -> Scale:
    return scale_for((source.low, source.top))


def _row(
    line: LeaderboardRow,
    scale: Scale,
    references: tuple[LeaderboardRow, ...],
    *,
    members: str = "",
    is_shared: bool = False,
    move: Move | None = None,
    spark: Spark | None = None,
) -> Row:
    score, low, high = (score_text(value) for value in (line.score, line.interval.low, line.interval.high))
    others = [
        texts.REFERENCE.format(name=other.reference, score=score_text(other.score))
        for other in references
        if other is not line and other.reference in MARKED
    ]
    beside = texts.BESIDE.format(others=texts.AND.join(others)) if others else ""
    zero = scale.x(0.0)
    return Row(
        name=line.team,
        members=members,
        reference=line.reference or "",
        rank="" if line.rank is None else str(line.rank),
        is_shared=is_shared,
        move=move,
        score=score,
        interval=texts.INTERVAL.format(low=low, high=high),
        drawing=Drawing(
            bar_x=min(zero, scale.x(line.score)),
            bar_width=round(abs(scale.x(line.score) - zero), 2),
            low_x=scale.x(line.interval.low),
            high_x=scale.x(line.interval.high),
            score_x=scale.x(line.score),
            alternative=texts.DRAWN.format(score=score, low=low, high=high) + beside,
        ),
        spark=spark,
        entries=line.entries,
        last=None if line.last_scored_at is None else moment(line.last_scored_at),
    )


def spark(
    score_history: tuple[tuple[datetime, float], ...], since: datetime | None, until: datetime | None
) -> Spark | None:
    """The best score from the first rise on the page to the newest standings, from zero to what it is now."""
    if not score_history or since is None or until is None:
        return None
    length_s = max(1.0, (until - since).total_seconds())
    top = max(score_history[-1][1], 1e-9)
    # A line at the very edge would be cut in half; the least step to the right shows a first score of this minute.
    points = [
        (
            round(min((when - since).total_seconds() / length_s, 0.9) * SPARK_WIDTH),
            round(SPARK_HEIGHT - 1 - max(0.0, value / top) * (SPARK_HEIGHT - 2)),
        )
        for when, value in score_history
    ]
    path = f"M{points[0][0]} {points[0][1]}" + "".join(f"H{x}V{y}" for x, y in points[1:]) + f"H{SPARK_WIDTH}"
    first, last = score_history[0], score_history[-1]
    told = texts.FIRST_SCORE.format(score=score_text(first[1]), when=moment(first[0]).text)
    if len(score_history) > 1:
        raised = texts.RAISED_ONCE if len(score_history) == 2 else texts.RAISED
        told += raised.format(times=len(score_history) - 1, score=score_text(last[1]), when=moment(last[0]).text)
    return Spark(path, told)


def _since_yesterday(moved: int | None) -> Move:
    if moved is None:
        return Move("new", texts.NEW_SIGN, texts.NEW_TEAM)
    return _move(moved, texts.SINCE_YESTERDAY)


def _against_public(line: LeaderboardRow) -> Move | None:
    """How far the final rank lies from the public one."""
    if line.rank is None or line.public_rank is None:
        return None
    return _move(line.public_rank - line.rank, texts.AGAINST_PUBLIC)


def _move(places: int, against: str) -> Move:
    if places == 0:
        return Move("same", texts.SAME_SIGN, texts.SAME_PLACE.format(against=against))
    words = {"places": count_text(abs(places), "place"), "against": against}
    if places > 0:
        return Move("up", texts.UP_SIGN.format(places=places), texts.MOVED_UP.format(**words))
    return Move("down", texts.DOWN_SIGN.format(places=-places), texts.MOVED_DOWN.format(**words))


def _reference(line: LeaderboardRow, scale: Scale) -> Reference:
    kind = line.reference or ""
    x = scale.x(line.score)
    return Reference(
        kind=kind,
        label=kind,
        x=x,
        band_x=scale.x(line.interval.low),
        band_width=scale.width(line.interval.low, line.interval.high),
        anchor=anchor(x),
    )
