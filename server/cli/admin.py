"""Host commands, on the server and on its database directly."""

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from server.cli import admin_users, oracles, storage
from server.cli.options import DataFolder, Home, Jobs, Json, Slug, make_settings
from server.cli.progress import training_progress

app = typer.Typer(no_args_is_help=True)
competition = typer.Typer(no_args_is_help=True, help="Create, open and close competitions.")
submission = typer.Typer(no_args_is_help=True, help="Run a submission again.")
worker_key = typer.Typer(no_args_is_help=True, help="Keys for workers on other machines.")
app.add_typer(competition, name="competition")
app.add_typer(oracles.app, name="oracles", help="Train and inspect oracle banks.")
app.add_typer(submission, name="submission")
app.add_typer(worker_key, name="worker-key")
app.add_typer(admin_users.app, name="user", help="Accounts, roles and invitations.")
app.command("audit")(admin_users.audit)
for _command in (storage.prune, storage.backup, storage.restore):
    app.command()(_command)


@competition.command("create")
def create_competition(
    specification: Annotated[Path, typer.Argument(help="TOML file, or the name of a shipped one such as demo")],
    home: Home = None,
    data: DataFolder = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out files that cannot be used instead of stopping")
    ] = False,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Make or read the data and train the original models; the competition starts as a draft.

    Nothing is trained before the data are complete and split. Seeds that the file leaves out are drawn and kept in the
    database only.
    """
    from evaluator.data.sources import Files
    from server.competitions import hosting

    context = hosting.open_context(make_settings(home=home))
    files = Files(folder=data, skip_bad=skip_bad)
    with training_progress() as progress:
        created = hosting.create(
            context, hosting.read_specification(specification), files=files, jobs=jobs, progress=progress
        )
    for name in files.skipped:
        typer.echo(f"skipped {name}", err=True)
    if as_json:
        typer.echo(created.dossier.model_dump_json())
        return
    typer.echo(hosting.describe(created))


@competition.command("open")
def open_competition(slug: Slug, home: Home = None) -> None:
    """Take submissions from now on."""
    from server.competitions import hosting

    hosting.open_competition(hosting.open_context(make_settings(home=home)), slug)
    typer.echo(f"{slug} is open.")


@competition.command("close")
def close_competition(slug: Slug, home: Home = None) -> None:
    """Take no more submissions; those in the queue are still evaluated."""
    from server.competitions import hosting

    hosting.close_competition(hosting.open_context(make_settings(home=home)), slug)
    typer.echo(f"{slug} is closed.")


@app.command("calibrate")
def calibrate(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Score a second pool of oracles (ceiling) and the original model (floor) as reference rows of the board."""
    from server.competitions import hosting

    rows = hosting.calibrate(hosting.open_context(make_settings(home=home)), slug)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        name = f"{row['split']} {row['reference']}"
        typer.echo(f"{name:<15} {row['score']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]")
    typer.echo(f"retraining takes {rows[0]['retrain_s']:.1f} s, the mean of the public split's oracles")


@submission.command("rerun")
def rerun_submission(
    submission_id: Annotated[UUID, typer.Argument(help="The submission's id")],
    fresh_seeds: Annotated[bool, typer.Option("--fresh-seeds", help="Other run seeds than before")] = False,
    home: Home = None,
) -> None:
    """Open a new generation of a submission that has ended: the same file, evaluated again."""
    from server.competitions import hosting

    hosting.rerun(hosting.open_context(make_settings(home=home)), submission_id, fresh_seeds=fresh_seeds)
    typer.echo(f"{submission_id} is queued again.")


@app.command("workers")
def show_workers(
    home: Home = None,
    gone: Annotated[bool, typer.Option("--all", help="Also those that stopped in an orderly way")] = False,
    as_json: Json = False,
) -> None:
    """Which workers are busy, idle or lost, what they do now and what they can do."""
    from rich.console import Console

    from server.cli.tables import print_workers
    from server.competitions import hosting
    from server.work.workers import list_workers

    with hosting.open_context(make_settings(home=home)).database.read() as session:
        rows = list_workers(session, gone=gone)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
    else:
        print_workers(rows, Console())


@worker_key.command("create")
def make_worker_key(name: Annotated[str, typer.Argument(help="What the key is for")], home: Home = None) -> None:
    """Print a new worker key, once."""
    from server.audit.service import record
    from server.competitions import hosting
    from server.work.keys import create_worker_key

    with hosting.open_context(make_settings(home=home)).database.write() as session:
        key = create_worker_key(session, name)
        record(session, "worker_key.create", name)
    typer.echo(key)
