"""Host commands, which work on the server's database directly."""

import json
from typing import Annotated

import typer

from lethe.server.cli import admin_users, admin_workers, competition, oracles, rescore, show, specification, storage
from lethe.server.cli.columns import Column, print_table
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Home, Json, Slug, SubmissionId, open_site, say, writing
from lethe.server.cli.progress import training_progress

app = typer.Typer(no_args_is_help=True)
submission = typer.Typer(no_args_is_help=True, help="Run a submission again or to its end, or disqualify it.")
team = typer.Typer(no_args_is_help=True, help="Disqualify a team, or show it as a baseline.")
app.add_typer(competition.app, name="competition")
app.add_typer(team, name="team")
app.add_typer(oracles.app, name="oracles", help="Train and inspect oracle banks.")
app.add_typer(submission, name="submission")
app.add_typer(admin_workers.worker, name="worker")
app.add_typer(admin_workers.worker_key, name="worker-key")
app.add_typer(admin_users.app, name="user", help="Accounts, roles and invitations.")
app.command("audit")(admin_users.audit)
competition.app.command()(specification.spec)
competition.app.command()(specification.init)
competition.app.command()(show.show)
for _command in (rescore.rescore, storage.prune, storage.backup, storage.restore):
    app.command()(_command)

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; the team sees it")]
Undo = Annotated[bool, typer.Option("--undo", help="Undo it")]


@app.command("calibrate")
def calibrate(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Score a second pool of oracles (ceiling) and the original model (floor) as reference rows of the board.

    Audit the weights of a few oracles and of the original, if the competition has audits and `seed` did not do it.
    """
    from lethe.server.hosting import calibration, creation, oracles

    context = open_site(home)
    with on_interrupt(f"To go on: lethe admin calibrate {slug}"), training_progress() as progress:
        rows = calibration.calibrate(context, slug)
        audits = oracles.audit(context, slug, progress=progress)
    if as_json:
        seconds = {split: found.mean_wall_s for split, found in audits.items()}
        typer.echo(json.dumps([row | {"audit_s": seconds.get(row["split"])} for row in rows]))
        return
    columns = [
        Column("split", [str(row["split"]) for row in rows]),
        Column("reference", [str(row["reference"]) for row in rows]),
        Column("score", [f"{row['score']:.4f}" for row in rows], right=True),
        Column("95% interval", [f"{row['low']:.4f}–{row['high']:.4f}" for row in rows]),
    ]
    print_table(columns)
    first = rows[0]
    typer.echo(
        f"retraining takes {first['retrain_s']:.1f} s, the mean of the public split's oracles; estimated at "
        f"{first['estimated_s']:.1f} s from the first two"
    )
    for split, found in audits.items():
        typer.echo(f"{split} split: {creation.describe_audits(found.audited, found.records)}")
        for reason in sorted(set(found.missing.values())):
            names = ", ".join(name for name, why in found.missing.items() if why == reason)
            typer.echo(f"{split} split: no audit of {names}: {reason}")


@submission.command("rerun")
def rerun_submission(
    submission_id: SubmissionId,
    fresh_seeds: Annotated[bool, typer.Option("--fresh-seeds", help="Use new run seeds")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Open a new generation of a submission that has ended: the same file, evaluated again."""
    from lethe.server.hosting import creation

    found = creation.rerun(open_site(home), submission_id, fresh_seeds=fresh_seeds)
    say({"submission": str(found), "state": "queued"}, f"{found} is queued again.", as_json)


@submission.command("complete")
def complete_submission(submission_id: SubmissionId, home: Home = None, as_json: Json = False) -> None:
    """Run the rest of a submission that a look has stopped; no look stops it again."""
    from lethe.server.hosting import creation

    found = creation.complete(open_site(home), submission_id)
    say({"submission": str(found), "state": "running"}, f"{found} runs whole.", as_json)


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
        found = actions.find_submission(session, submission_id)
        actions.disqualify_submission(session, found, reason=given)
    text = f"{found.id} {'counts again' if undo else 'is disqualified'}."
    say({"submission": str(found.id), "disqualified": given}, text, as_json)


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


@team.command("remove")
def remove_member(
    slug: Slug,
    name: TeamName,
    username: Annotated[str, typer.Argument(help="The member's user name")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take a member who has submitted nothing out of a team."""
    from lethe.server.hosting import actions

    with writing(home) as session:
        actions.remove_member(session, actions.find_team(session, slug, name), username)
    say({"competition": slug, "team": name, "removed": username}, f"{username} is no longer in {name}.", as_json)


def _reason(reason: str | None, *, undo: bool) -> str | None:
    if undo == (reason is not None and reason.strip() != ""):
        raise typer.BadParameter("give either --reason TEXT or --undo")
    return None if undo else reason
