"""Leaderboards and lists as tables for a terminal."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.leaderboard.schemas import Leaderboard, LeaderboardRow
from lethe.server.submissions.schemas import SubmissionView

if TYPE_CHECKING:
    from lethe.server.queue.workers import WorkerRow

BAR_WIDTH = 24


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


def print_submissions(views: list[SubmissionView], console: Console) -> None:
    """Print a team's submissions, one per line."""
    table = Table(box=None, pad_edge=False)
    for heading in ("submission", "file", "state", "score", "95% interval", "selected", "sent"):
        table.add_column(heading, no_wrap=True)
    for view in views:
        table.add_row(
            str(view.id),
            escape(view.filename),
            view.state if view.error is None else f"{view.state}: {view.error.code}",
            "" if view.score is None else f"{view.score:.4f}",
            "" if view.interval is None else f"{view.interval.low:.4f}–{view.interval.high:.4f}",
            "yes" if view.selected else "",
            f"{view.created_at.astimezone():%Y-%m-%d %H:%M}",
        )
    console.print(table if views else "You have not submitted anything yet.")
