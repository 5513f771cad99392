"""The tables of boards, workers, competitions and submissions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from lethe.server.cli.columns import SHORTEST_NAME, Column, print_table, short_id
from lethe.server.cli.descriptions import state_text
from lethe.server.competitions.schemas import CompetitionRow
from lethe.server.leaderboard.schemas import Leaderboard, LeaderboardRow
from lethe.server.pages.changes import signed_text
from lethe.server.submissions.schemas import ChangeView, SubmissionView

if TYPE_CHECKING:
    from lethe.server.queue.workers import WorkerRow

BAR_WIDTH = 24
SHORTEST_TEAM = 16


def print_leaderboard(board: Leaderboard, console: Console | None = None) -> None:
    """Print the board; a terminal also gets each score's interval, drawn on one common scale."""
    console = console or Console()
    rows = board.rows
    longest = max((row.interval.high for row in rows), default=0.0) or 1.0
    columns = [Column("rank", ["" if row.rank is None else str(row.rank) for row in rows], right=True)]
    if board.view == "final":
        columns.append(Column("public", [_public_rank(row) for row in rows], 2, right=True))
    columns += [
        Column("team", [row.team for row in rows], least=SHORTEST_TEAM),
        Column("score", [f"{row.score:.4f}" for row in rows], right=True),
        Column("95% interval", [f"{row.interval.low:.4f}–{row.interval.high:.4f}" for row in rows], 1),
    ]
    if console.is_terminal:
        drawn = [whisker(row.score, row.interval.low, row.interval.high, longest) for row in rows]
        columns.append(Column(f"0{longest:>{BAR_WIDTH - 1}.2f}", drawn, 4))
    columns += _task_columns([row.tasks for row in rows], dropped=2)
    if any(row.method or row.link for row in rows):
        methods = [" ".join(part for part in (row.method, row.link) if part) for row in rows]
        columns.append(Column("method", methods, 3, least=SHORTEST_NAME))
    title = f"{board.title}: after the deadline" if board.view == "benchmark" else board.title
    styles = {place: "dim" for place, row in enumerate(rows) if row.reference}
    print_table(columns, console, title=title, styles=styles)


def _task_columns(scores: Sequence[Mapping[str, float]], *, dropped: int) -> list[Column]:
    """Return a column for each task that a line has a score of; `scores` are those of each line by the task's name."""
    names = dict.fromkeys(name for tasks in scores for name in tasks)
    return [
        Column(name, [f"{tasks[name]:.4f}" if name in tasks else "" for tasks in scores], dropped, right=True)
        for name in names
    ]


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


def print_workers(rows: "list[WorkerRow]", console: Console | None = None) -> None:
    """Print the workers, one per line."""
    if not rows:
        typer.echo("No worker has registered. Start one: lethe worker --server URL --key-file FILE")
        return
    now = datetime.now(UTC)
    columns = [
        Column("worker", [row.name for row in rows], least=SHORTEST_NAME),
        Column("key", [row.key for row in rows], 4, least=SHORTEST_NAME),
        Column("state", [row.state for row in rows]),
        Column("doing", [_doing(row) for row in rows], 2),
        Column("last call", [f"{max(0.0, (now - row.seen_at).total_seconds()):.0f} s ago" for row in rows]),
        Column("slots", [str(row.capabilities.slots) for row in rows], 1, right=True),
        Column("memory", [f"{row.capabilities.memory_bytes / 2**30:.0f} GiB" for row in rows], 3, right=True),
        Column("gpu", [row.capabilities.gpu or "none" for row in rows], 5),
        Column("torch", [row.capabilities.torch for row in rows], 6),
        Column("sandbox", [row.capabilities.sandbox_mode for row in rows], 7),
    ]
    styles = {place: "red" for place, row in enumerate(rows) if row.state in {"lost", "quarantined"}}
    print_table(columns, console, styles=styles)


def _doing(row: "WorkerRow") -> str:
    submission = "" if row.submission_id is None else short_id(row.submission_id)
    return " ".join(part for part in (row.doing, submission) if part)


def print_competitions(rows: list[CompetitionRow], console: Console | None = None) -> None:
    """Print the competitions, one per line."""
    if not rows:
        typer.echo("There is no competition on this server yet.")
        return
    columns = [
        Column("competition", [row.slug for row in rows]),
        Column("phase", [f"{row.phase}, benchmark" if row.benchmark else row.phase for row in rows]),
        Column("teams", [str(row.teams) for row in rows], 2, right=True),
        Column("submissions", [str(row.submissions) for row in rows], 1, right=True),
        Column("title", [row.title for row in rows], 3, least=SHORTEST_NAME),
    ]
    print_table(columns, console)


def print_submissions(views: list[SubmissionView], console: Console | None = None) -> None:
    """Print a team's submissions, one per line; the columns that matter most fit into 80 characters."""
    if not views:
        typer.echo("You have not submitted anything yet.")
        return
    intervals = [one.interval for one in views]
    columns = [
        Column("id", [short_id(one.id) for one in views]),
        Column("state", [state_text(one) for one in views]),
        Column("score", ["" if one.score is None else f"{one.score:.4f}" for one in views]),
        Column("95% interval", ["" if one is None else f"{one.low:.4f}–{one.high:.4f}" for one in intervals], 2),
        Column("vs best", [_against(one.against_best) for one in views], 1),
        Column("vs last", [_against(one.against_last) for one in views], 4),
        *_task_columns([{task.name: task.score for task in one.tasks} for one in views], dropped=4),
        Column("final", ["yes" if one.selected else "" for one in views], 3),
        Column("sent", [f"{one.created_at.astimezone():%Y-%m-%d %H:%M}" for one in views], 5),
        Column("file", [one.filename for one in views], least=SHORTEST_NAME),
    ]
    print_table(columns, console)


def _against(change: ChangeView | None) -> str:
    """Return `+0.0021 chance`: the difference and the verdict in one word."""
    return "" if change is None else f"{signed_text(change.difference)} {change.verdict}"
