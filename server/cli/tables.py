"""Leaderboards and lists as tables for a terminal."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lethe.server.cli.descriptions import state_text
from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.leaderboard.schemas import Leaderboard, LeaderboardRow
from lethe.server.pages.changes import signed_text
from lethe.server.submissions.schemas import ChangeView, SubmissionView

if TYPE_CHECKING:
    from lethe.server.queue.workers import WorkerRow

BAR_WIDTH = 24
SHORT_ID = 8
SHORTEST_NAME = 8
WIDE = 400
"""Characters of a line that no terminal shows: nothing is left out for programs."""


def print_leaderboard(board: Leaderboard, console: Console) -> None:
    """Print the board with each score's interval drawn on one common scale."""
    title = f"{board.title}: after the deadline" if board.view == "benchmark" else board.title
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    longest = max((row.interval.high for row in board.rows), default=0.0) or 1.0
    is_final = board.view == "final"
    table.add_column("rank", justify="right", no_wrap=True)
    if is_final:
        table.add_column("public", justify="right", no_wrap=True)
    table.add_column("team", no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("95% interval", no_wrap=True)
    table.add_column(f"0{longest:>{BAR_WIDTH - 1}.2f}", no_wrap=True)
    has_methods = any(row.method or row.link for row in board.rows)
    if has_methods:
        table.add_column("method", overflow="fold")
    for row in board.rows:
        table.add_row(
            "" if row.rank is None else str(row.rank),
            *([_public_rank(row)] if is_final else []),
            escape(row.team),
            f"{row.score:.4f}",
            f"{row.interval.low:.4f}–{row.interval.high:.4f}",
            whisker(row.score, row.interval.low, row.interval.high, longest),
            *([escape(" ".join(part for part in (row.method, row.link) if part))] if has_methods else []),
            style="dim" if row.reference else "",
        )
    console.print(table)


def _public_rank(row: LeaderboardRow) -> str:
    """Return the public rank, and how far the final rank moved from it."""
    if row.public_rank is None or row.rank is None:
        return ""
    moved = row.public_rank - row.rank
    arrow = "" if moved == 0 else f" {'↑' if moved > 0 else '↓'}{abs(moved)}"
    return f"{row.public_rank}{arrow}"


def whisker(score: float, low: float, high: float, longest: float) -> str:
    """Return the interval as a line with the score on it, `BAR_WIDTH` characters for 0 to `longest`."""
    start, point, end = (min(BAR_WIDTH - 1, int(BAR_WIDTH * value / longest)) for value in (low, score, high))
    line = [" "] * BAR_WIDTH
    line[start : end + 1] = "─" * (end + 1 - start)
    line[point] = "●"
    return "".join(line)


def print_workers(rows: "list[WorkerRow]", console: Console) -> None:
    """Print the workers, one per line."""
    table = Table(box=None, pad_edge=False)
    for heading in ("worker", "key", "state", "doing", "last call", "slots", "memory", "gpu", "torch", "sandbox"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        can = row.capabilities
        table.add_row(
            row.name,
            row.key,
            row.state,
            " ".join(str(part) for part in (row.doing, row.submission_id) if part is not None),
            f"{max(0.0, (datetime.now(UTC) - row.seen_at).total_seconds()):.0f} s ago",
            str(can.slots),
            f"{can.memory_bytes / 2**30:.0f} GiB",
            can.gpu or "none",
            can.torch,
            can.sandbox_mode,
            style="red" if row.state in {"lost", "quarantined"} else "",
        )
    console.print(table)
    if not rows:
        console.print("No worker has registered. Start one: lethe worker --server URL --key-file FILE")


def print_competitions(rows: list[CompetitionRow], console: Console) -> None:
    """Print the competitions, one per line."""
    table = Table(box=None, pad_edge=False)
    for heading in ("competition", "phase", "teams", "submissions", "title"):
        table.add_column(heading, no_wrap=heading != "title")
    for row in rows:
        phase = f"{row.phase}, benchmark" if row.benchmark else row.phase
        table.add_row(row.slug, phase, str(row.teams), str(row.submissions), escape(row.title))
    console.print(table if rows else "There is no competition on this server yet.")


@dataclass(frozen=True)
class _Column:
    """A column of a list; those with the highest `dropped` go first where the terminal is too narrow, 0 never."""

    title: str
    cells: list[str]
    dropped: int = 0

    @property
    def width(self) -> int:
        return max(len(text) for text in (self.title, *self.cells))


def print_submissions(views: list[SubmissionView], console: Console) -> None:
    """Print a team's submissions, one per line; the columns that matter most fit into 80 characters."""
    if not views:
        console.print("You have not submitted anything yet.")
        return
    if not console.is_terminal:
        console.width = WIDE
    intervals = [one.interval for one in views]
    columns = [
        _Column("id", [str(one.id)[:SHORT_ID] for one in views]),
        _Column("state", [state_text(one) for one in views]),
        _Column("score", ["" if one.score is None else f"{one.score:.4f}" for one in views]),
        _Column("95% interval", ["" if one is None else f"{one.low:.4f}–{one.high:.4f}" for one in intervals], 2),
        _Column("vs best", [_against(one.against_best) for one in views], 1),
        _Column("vs last", [_against(one.against_last) for one in views], 4),
        _Column("final", ["yes" if one.selected else "" for one in views], 3),
        _Column("sent", [f"{one.created_at.astimezone():%Y-%m-%d %H:%M}" for one in views], 5),
    ]
    while _room(columns, console) < SHORTEST_NAME and any(one.dropped for one in columns):
        columns.remove(max(columns, key=lambda one: one.dropped))
    room = max(SHORTEST_NAME, _room(columns, console))
    names = [one.filename if len(one.filename) <= room else f"{one.filename[: room - 1]}…" for one in views]
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.title, no_wrap=True)
    table.add_column("file", no_wrap=True)
    for cells in zip(*(one.cells for one in columns), [escape(name) for name in names], strict=True):
        table.add_row(*cells)
    console.print(table)


def _room(columns: list[_Column], console: Console) -> int:
    """Return the characters that these columns leave for the name of the file."""
    return console.width - sum(one.width + 2 for one in columns)


def _against(change: ChangeView | None) -> str:
    """Return `+0.0021 chance`: the difference and the verdict in one word."""
    return "" if change is None else f"{signed_text(change.difference)} {change.verdict}"
