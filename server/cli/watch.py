"""A progress bar for a submission."""

from collections.abc import Callable
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lethe.server.cli.descriptions import state_text
from lethe.server.client import Client
from lethe.server.plain_text import one_line
from lethe.server.submissions.schemas import SubmissionView


def wait_for(
    client: Client, submission_id: UUID, *, quiet: bool = False, check_alive: Callable[[], None] = lambda: None
) -> SubmissionView:
    """Draw a submission's progress on stderr until it has ended, and return it. Calls `check_alive` at each poll."""
    with Progress(
        TextColumn("{task.description:<18}", markup=False),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True, quiet=quiet),
    ) as progress:
        task = progress.add_task("", total=None, state="")
        for view in client.follow(submission_id):
            progress.update(
                task,
                description=one_line(view.filename)[:18],
                total=view.runs_total,
                completed=view.runs_done,
                state=_state(view),
            )
            check_alive()
    return view


def _state(view: SubmissionView) -> str:
    parts = [state_text(view)]
    if view.eta_s is not None:
        minutes, seconds = divmod(round(view.eta_s), 60)
        parts.append(f"about {minutes}:{seconds:02d} min left")
    return ", ".join(parts)
