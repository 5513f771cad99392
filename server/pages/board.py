"""A leaderboard as values for its templates: rows in words, and their drawing on one scale."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from lethe.evaluator.contract.states import Evaluation
from lethe.server.leaderboard.board_page import BoardPage, TeamRow
from lethe.server.leaderboard.queries import BoardOrder
from lethe.server.leaderboard.schemas import ColumnView, LeaderboardRow
from lethe.server.pages.formatting import Moment, Outward, count_text, measure_text, moment, outward, score_text
from lethe.server.pages.scale import Scale, Tick, anchor, part_of_scale, scale_for

SPARK_WIDTH, SPARK_HEIGHT = 72, 20
MARKED = ("ceiling", "floor")
"""The references that every row is drawn against; baselines only have rows of their own."""

COLUMNS = {
    BoardOrder.RANK: "Rank",
    BoardOrder.TEAM: "Team",
    BoardOrder.SCORE: "Score",
    BoardOrder.ENTRIES: "Entries",
    BoardOrder.LAST: "Last entry",
}


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
    """Places gained or lost: `kind` is up, down, same or new, `text` is shown, `words` are read aloud."""

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
    """One line of the board. `rank` is empty for reference rows, which have neither move nor spark.

    `href` is where a team's row is explained, empty for reference rows.
    """

    name: str
    href: str
    members: str
    reference: str
    rank: str
    is_shared: bool
    move: Move | None
    score: str
    interval: str
    measures: tuple[tuple[str, str], ...]
    drawing: Drawing
    spark: Spark | None
    entries: int
    last: Moment | None
    method: str
    link: Outward


@dataclass(frozen=True)
class Board:
    """Rows with the axis and the reference lines that all of their drawings share, on every page of the board."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    teams: int
    entries: int
    found: int
    ticks: tuple[Tick, ...]
    references: tuple[Reference, ...]
    updated: Moment | None


def plain_heads() -> dict[str, Head]:
    """Return titles without links, for the top of a board."""
    return {order.value: Head("", title, "", "") for order, title in COLUMNS.items()}


def board(source: BoardPage, rows_at: str = "") -> Board:
    """Return the rows of `source` in words and drawings; `rows_at`: where rows are explained, up to a name."""
    scale = _scale(source)
    return Board(
        rows=tuple(row(source, line, rows_at) for line in source.rows),
        columns=(
            *(_title(column) for column in source.columns),
            *(f"task {name}" for name in source.tasks),
        ),
        teams=source.teams,
        entries=source.entries,
        found=source.found,
        ticks=scale.ticks,
        references=tuple(
            _reference(line, scale)
            for line in source.references
            if line.reference in MARKED and scale.holds(line.score)
        ),
        updated=None if source.updated_at is None else moment(source.updated_at),
    )


def row(source: BoardPage, team: TeamRow | LeaderboardRow, rows_at: str = "") -> Row:
    """Return one line, on the board's scale; `rows_at` as for `board`."""
    scale = _scale(source)
    if isinstance(team, LeaderboardRow):
        return _row(team, scale, source)
    return _row(
        team.line,
        scale,
        source,
        href=f"{rows_at}{quote(team.line.team, safe='')}" if rows_at else "",
        members="" if team.members == (team.line.team,) else ", ".join(team.members),
        is_shared=team.is_shared,
        move=_against_public(team.line) if team.line.public_rank is not None else _since_yesterday(team.moved),
        spark=spark(team.best, source.since, source.updated_at),
    )


def _title(column: ColumnView) -> str:
    return f"{column.title}, {column.unit}" if column.unit else column.title


def _scale(source: BoardPage) -> Scale:
    return part_of_scale(source.low, source.top) if source.is_zoomed else scale_for((source.low, source.top))


def rows_at(slug: str, evaluation: Evaluation) -> str:
    """Return the address of the explained rows of a board, up to the team's name."""
    return f"/competitions/{slug}/leaderboard/team?view={evaluation}&name="


def _row(
    line: LeaderboardRow,
    scale: Scale,
    source: BoardPage,
    *,
    href: str = "",
    members: str = "",
    is_shared: bool = False,
    move: Move | None = None,
    spark: Spark | None = None,
) -> Row:
    score, low, high = (score_text(value) for value in (line.score, line.interval.low, line.interval.high))
    others = [
        f"{other.reference} {score_text(other.score)}"
        for other in source.references
        if other is not line and other.reference in MARKED
    ]
    beside = f"; beside {' and '.join(others)}" if others else ""
    zero = scale.x(0.0)
    interval = f"{low} to {high}"
    return Row(
        name=line.team,
        href=href,
        members=members,
        reference=line.reference or "",
        rank="" if line.rank is None else str(line.rank),
        is_shared=is_shared,
        move=move,
        score=score,
        interval=interval,
        measures=(
            *((_title(column), measure_text(line.measures.get(column.key))) for column in source.columns),
            *((f"task {name}", measure_text(line.tasks.get(name))) for name in source.tasks),
        ),
        drawing=Drawing(
            bar_x=min(zero, scale.x(line.score)),
            bar_width=round(abs(scale.x(line.score) - zero), 2),
            low_x=scale.x(line.interval.low),
            high_x=scale.x(line.interval.high),
            score_x=scale.x(line.score),
            alternative=f"{score}, 95% interval {interval}{beside}",
        ),
        spark=spark,
        entries=line.entries,
        last=None if line.last_scored_at is None else moment(line.last_scored_at),
        method=line.method or "",
        link=outward(line.link),
    )


def spark(
    score_history: tuple[tuple[datetime, float], ...], since: datetime | None, until: datetime | None
) -> Spark | None:
    """Return the best score over time as a step line, up to the newest standings; zero is at the bottom."""
    if not score_history or since is None or until is None:
        return None
    length_s = max(1.0, (until - since).total_seconds())
    top = max(score_history[-1][1], 1e-9)
    # A line at the very edge would be cut in half; the last tenth keeps a first score of this minute visible.
    points = [
        (
            round(min((when - since).total_seconds() / length_s, 0.9) * SPARK_WIDTH),
            round(SPARK_HEIGHT - 1 - max(0.0, value / top) * (SPARK_HEIGHT - 2)),
        )
        for when, value in score_history
    ]
    path = f"M{points[0][0]} {points[0][1]}" + "".join(f"H{x}V{y}" for x, y in points[1:]) + f"H{SPARK_WIDTH}"
    first, last = score_history[0], score_history[-1]
    words = f"First score {score_text(first[1])} on {moment(first[0]).text}"
    if len(score_history) > 1:
        times = "once" if len(score_history) == 2 else f"{len(score_history) - 1} times"
        words += f"; raised {times}, to {score_text(last[1])} on {moment(last[0]).text}"
    return Spark(path, words)


def _since_yesterday(moved: int | None) -> Move:
    if moved is None:
        return Move("new", "new", "not on the board yesterday")
    return _move(moved, "since yesterday")


def _against_public(line: LeaderboardRow) -> Move | None:
    """Return how far the final rank lies from the public one."""
    if line.rank is None or line.public_rank is None:
        return None
    return _move(line.public_rank - line.rank, "against the public board")


def _move(places: int, against: str) -> Move:
    if places == 0:
        return Move("same", "–", f"no change {against}")
    words = count_text(abs(places), "place")
    if places > 0:
        return Move("up", f"▲ {places}", f"{words} up {against}")
    return Move("down", f"▼ {-places}", f"{words} down {against}")


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
