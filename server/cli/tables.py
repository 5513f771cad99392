"""Leaderboards and submissions as text for a terminal."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from server.leaderboard.schemas import Leaderboard, LeaderboardRow
from server.submissions.schemas import SubmissionView

if TYPE_CHECKING:
    from server.work.workers import WorkerRow

BAR_WIDTH = 24


def print_leaderboard(board: Leaderboard, console: Console) -> None:
    """The board with each score's interval drawn on one common scale."""
    table = Table(title=board.title, title_justify="left", box=None, pad_edge=False)
    longest = max((row.interval.high for row in board.rows), default=0.0) or 1.0
    shaken = board.view == "final"
    table.add_column("rank", justify="right", no_wrap=True)
    if shaken:
        table.add_column("public", justify="right", no_wrap=True)
    table.add_column("team", no_wrap=True, overflow="ellipsis")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("95% interval", no_wrap=True)
    table.add_column(f"0{longest:>{BAR_WIDTH - 1}.2f}", no_wrap=True)
    for row in board.rows:
        table.add_row(
            "" if row.rank is None else str(row.rank),
            *([_public_rank(row)] if shaken else []),
            row.team,
            f"{row.score:.4f}",
            f"{row.interval.low:.4f}–{row.interval.high:.4f}",
            whisker(row.score, row.interval.low, row.interval.high, longest),
            style="dim" if row.reference else "",
        )
    console.print(table)


def _public_rank(row: LeaderboardRow) -> str:
    """The rank on the public board and how far the final one moved from it."""
    if row.public_rank is None or row.rank is None:
        return ""
    moved = row.public_rank - row.rank
    arrow = "" if moved == 0 else f" {'↑' if moved > 0 else '↓'}{abs(moved)}"
    return f"{row.public_rank}{arrow}"


def whisker(score: float, low: float, high: float, longest: float) -> str:
    """The interval as a line with the score on it, `BAR_WIDTH` characters for 0 to `longest`."""
    start, point, end = (min(BAR_WIDTH - 1, int(BAR_WIDTH * value / longest)) for value in (low, score, high))
    line = [" "] * BAR_WIDTH
    line[start : end + 1] = "─" * (end + 1 - start)
    line[point] = "●"
    return "".join(line)


def print_workers(rows: "list[WorkerRow]", console: Console) -> None:
    """The workers, one a line."""
    table = Table(box=None, pad_edge=False)
    for heading in ("worker", "key", "state", "doing", "heard", "slots", "memory", "gpu", "torch", "sandbox"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        can = row.capabilities
        table.add_row(
            row.name,
            row.key,
            row.state,
            "" if row.doing is None else f"{row.doing} {row.submission_id}",
            f"{max(0.0, (datetime.now(UTC) - row.seen_at).total_seconds()):.0f} s ago",
            str(can.slots),
            f"{can.memory_bytes / 2**30:.0f} GiB",
            can.gpu or "none",
            can.torch,
            can.sandbox_mode,
            style="red" if row.state == "lost" else "",
        )
    console.print(table)
    if not rows:
        console.print("No worker has registered. Start one: lethe worker --server URL --key-file FILE")


def describe_submission(view: SubmissionView) -> str:
    """State, progress and result in a few lines."""
    lines = [f"{view.id}  {view.filename}  {view.state}"]
    lines += [f"note: {note}" for note in view.notes]
    if view.queue_position is not None:
        lines.append(f"position {view.queue_position} in the queue")
    if view.state == "running":
        lines.append(f"{view.runs_done} of {view.runs_total} runs done")
    if view.eta_s is not None:
        lines.append(f"about {view.eta_s:.0f} s to go")
    if view.score is not None and view.interval is not None:
        lines.append(f"score {view.score:.4f}, 95% interval [{view.interval.low:.4f}, {view.interval.high:.4f}]")
    if view.error is not None:
        place = f" (line {view.error.line})" if view.error.line else ""
        lines.append(f"{view.error.code}{place}: {view.error.message}")
        if view.error.output:
            lines.append(f"  {view.error.output}")
    return "\n".join(lines)
