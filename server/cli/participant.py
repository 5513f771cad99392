"""Participant commands: submit, status and leaderboard, over HTTP."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from evaluator.contract.states import SubmissionState
from server.api_client import ApiClient
from server.cli.options import Json
from server.cli.tables import describe_submission, print_leaderboard
from server.submissions.schemas import SubmissionView

DEFAULT_SERVER = "http://127.0.0.1:8000"
POLL_S = 1.0

Server = Annotated[str, typer.Option("--server", envvar="LETHE_SERVER", help="URL of the Lethe server")]
Token = Annotated[str | None, typer.Option("--token", envvar="LETHE_TOKEN", help="API token", show_envvar=True)]


def submit(
    file: Annotated[
        Path, typer.Argument(help="Python file or notebook with unlearning(net, retain, forget, validation)")
    ],
    competition: Annotated[str, typer.Option("-c", "--competition", help="The competition's slug")],
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the score")] = False,
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Upload a submission."""
    with ApiClient(server, token) as client:
        view = client.submit(competition, file)
        if watch:
            view = wait_for(client, view, quiet=as_json)
    _print(view, as_json)
    if view.state == SubmissionState.FAILED:
        raise typer.Exit(1)


def status(
    submission_id: Annotated[UUID, typer.Argument(help="The submission's id")],
    server: Server = DEFAULT_SERVER,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Show the state of one of your submissions, and the output of its check stage if it failed there."""
    with ApiClient(server, token) as client:
        view = client.submission(submission_id)
        log = None if as_json else client.log(submission_id)
    _print(view, as_json)
    for advice in log.advice if log else ():
        typer.echo(f"{advice.code}: {advice.message}")
    for part in (log.stdout, log.stderr, log.traceback) if log and view.error is not None else ():
        if part.strip():
            typer.echo(part.rstrip())


def leaderboard(
    competition: Annotated[str, typer.Argument(help="The competition's slug")],
    server: Server = DEFAULT_SERVER,
    as_json: Json = False,
) -> None:
    """Show the leaderboard of a competition."""
    with ApiClient(server) as client:
        board = client.leaderboard(competition)
    if as_json:
        typer.echo(board.model_dump_json())
    else:
        print_leaderboard(board, Console())


def wait_for(
    client: ApiClient, view: SubmissionView, *, quiet: bool = False, alive: Callable[[], None] = lambda: None
) -> SubmissionView:
    """The submission once it has ended; draws its progress on stderr. `alive` is called at each look."""
    with Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[state]:<9}"),
        TimeElapsedColumn(),
        console=Console(stderr=True, quiet=quiet),
    ) as progress:
        task = progress.add_task(view.filename[:18], total=view.runs_total, state=view.state)
        while True:
            progress.update(task, completed=view.runs_done, state=view.state)
            if SubmissionState(view.state).is_terminal:
                return view
            alive()
            time.sleep(POLL_S)
            view = client.submission(view.id)


def _print(view: SubmissionView, as_json: bool) -> None:
    typer.echo(view.model_dump_json() if as_json else describe_submission(view))
