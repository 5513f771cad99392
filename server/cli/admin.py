"""Host commands, which work on the server's database directly."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.server.cli import admin_users, competition, oracles, rescore, storage
from lethe.server.cli.options import Home, Json, Slug, SubmissionId, make_settings, say, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

app = typer.Typer(no_args_is_help=True)
submission = typer.Typer(no_args_is_help=True, help="Run a submission again, or disqualify it.")
team = typer.Typer(no_args_is_help=True, help="Disqualify a team, or show it as a baseline.")
worker_key = typer.Typer(no_args_is_help=True, help="Keys of workers on other machines.")
app.add_typer(competition.app, name="competition")
app.add_typer(team, name="team")
app.add_typer(oracles.app, name="oracles", help="Train and inspect oracle banks.")
app.add_typer(submission, name="submission")
app.add_typer(worker_key, name="worker-key")
app.add_typer(admin_users.app, name="user", help="Accounts, roles and invitations.")
app.command("audit")(admin_users.audit)
for _command in (rescore.rescore, storage.prune, storage.backup, storage.restore):
    app.command()(_command)

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; the team sees it")]
Undo = Annotated[bool, typer.Option("--undo", help="Undo it")]


@app.command("calibrate")
def calibrate(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Score a second pool of oracles (ceiling) and the original model (floor) as reference rows of the board."""
    from lethe.server.hosting import calibration, creation

    rows = calibration.calibrate(creation.open_context(make_settings(home=home)), slug)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        name = f"{row['split']} {row['reference']}"
        typer.echo(f"{name:<15} {row['score']:.4f}  [{row['low']:.4f}, {row['high']:.4f}]")
    typer.echo(f"retraining takes {rows[0]['retrain_s']:.1f} s, the mean of the public split's oracles")


@submission.command("rerun")
def rerun_submission(
    submission_id: SubmissionId,
    fresh_seeds: Annotated[bool, typer.Option("--fresh-seeds", help="Use new run seeds")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Open a new generation of a submission that has ended: the same file, evaluated again."""
    from lethe.server.hosting import creation

    creation.rerun(creation.open_context(make_settings(home=home)), submission_id, fresh_seeds=fresh_seeds)
    say({"submission": str(submission_id), "state": "queued"}, f"{submission_id} is queued again.", as_json)


@app.command("workers")
def show_workers(
    home: Home = None,
    gone: Annotated[bool, typer.Option("--all", help="Also workers that shut down normally")] = False,
    as_json: Json = False,
) -> None:
    """Show which workers are busy, idle or lost, what they are doing and what they can do."""
    from rich.console import Console

    from lethe.server.cli.tables import print_workers
    from lethe.server.hosting import creation
    from lethe.server.queue.workers import list_workers

    with creation.open_context(make_settings(home=home)).database.read() as session:
        rows = list_workers(session, gone=gone)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
    else:
        print_workers(rows, Console())


@submission.command("disqualify")
def disqualify_submission(
    submission_id: SubmissionId,
    reason: Reason = None,
    undo: Undo = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Ignore a submission's scores; its team keeps the others."""
    from lethe.server.hosting import actions

    given = _reason(reason, undo=undo)
    with writing(home) as session:
        actions.disqualify_submission(session, actions.get_submission(session, submission_id), reason=given)
    text = f"{submission_id} {'counts again' if undo else 'is disqualified'}."
    say({"submission": str(submission_id), "disqualified": given}, text, as_json)


@team.command("disqualify")
def disqualify_team(
    slug: Slug,
    name: TeamName,
    reason: Reason = None,
    undo: Undo = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take a team off every board; its submissions stay stored."""
    from lethe.server.hosting import actions

    given = _reason(reason, undo=undo)
    with writing(home) as session:
        actions.disqualify_team(session, actions.find_team(session, slug, name), reason=given)
    text = f"{name} {'is back on the boards' if undo else 'is disqualified'}."
    say({"competition": slug, "team": name, "disqualified": given}, text, as_json)


@team.command("baseline")
def make_baseline(slug: Slug, name: TeamName, undo: Undo = False, home: Home = None, as_json: Json = False) -> None:
    """Show a host's team as a reference row, without a rank."""
    from lethe.server.hosting import actions

    with writing(home) as session:
        actions.set_baseline(session, actions.find_team(session, slug, name), is_baseline=not undo)
    text = f"{name} is {'ranked again' if undo else 'a baseline now'}."
    say({"competition": slug, "team": name, "baseline": not undo}, text, as_json)


def _reason(reason: str | None, *, undo: bool) -> str | None:
    if undo == (reason is not None and reason.strip() != ""):
        raise typer.BadParameter("give either --reason TEXT or --undo")
    return None if undo else reason


@worker_key.command("create")
def make_worker_key(
    name: Annotated[str, typer.Argument(help="What the key is for")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Create a worker key and print it, once."""
    from lethe.server.queue.worker_keys import create_worker_key

    _issue_key(create_worker_key, "worker_key.create", name, home, as_json)


@worker_key.command("renew")
def renew_worker_key(
    name: Annotated[str, typer.Argument(help="Name of the key to replace")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Replace a worker key, which stops working at once, and print the new one, once."""
    from lethe.server.queue.worker_keys import renew_worker_key as renew

    _issue_key(renew, "worker_key.renew", name, home, as_json)


def _issue_key(
    issue: "Callable[[Session, str], str]", action: str, name: str, home: Path | None, as_json: bool
) -> None:
    """Print the key that `issue` stores under `name`, and record `action`."""
    from lethe.server.audit_log.events import record

    with writing(home) as session:
        key = issue(session, name)
        record(session, action, name)
    say({"name": name, "key": key}, key, as_json)
