"""Operator commands for accounts and the audit log, which work on the database directly."""

import json
import shlex
from typing import Annotated, Any

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.columns import SHORTEST_NAME, Column, print_table
from lethe.server.cli.options import Home, Json, Yes, open_site, say, writing

app = typer.Typer(no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The account's user name")]
Competition = Annotated[str | None, typer.Option("-c", "--competition", help="The competition's slug")]
Remove = Annotated[bool, typer.Option("--remove", help="Revoke the role")]


@app.command("create")
def create(
    username: Username,
    email: Annotated[str, typer.Argument(help="The account's e-mail address")],
    operator: Annotated[bool, typer.Option("--operator", help="Make it an operator of the site")] = False,
    password: Annotated[
        str, typer.Option("--password", envvar="LETHE_NEW_PASSWORD", help="Prompted for if not given")
    ] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Create an account, whatever the setting for registration says."""
    from pydantic import ValidationError

    from lethe.server.accounts.schemas import NewUser
    from lethe.server.hosting import account_administration

    password = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        new = NewUser(username=username, email=email, password=password)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())) from error
    with writing(home, makes_site=True) as session:
        account_administration.create_user(session, new)
        if operator:
            account_administration.set_operator(session, username, is_operator=True)
    say({"username": username, "operator": operator}, f"{username} has an account.", as_json)


@app.command("list")
def list_users(home: Home = None, as_json: Json = False) -> None:
    """List all accounts with their roles."""
    from lethe.server.hosting import account_administration

    with open_site(home).database.read() as session:
        users = account_administration.list_users(session)
    if as_json:
        typer.echo(json.dumps(users))
        return
    columns = [
        Column("account", [user["username"] for user in users], least=SHORTEST_NAME),
        Column("roles", [_roles(user) for user in users], least=SHORTEST_NAME),
        Column("state", ["disabled" if user["disabled"] else "" for user in users]),
        Column("email", [user["email"] for user in users], 1, least=SHORTEST_NAME),
    ]
    print_table(columns)


def _roles(user: dict[str, Any]) -> str:
    roles = ["operator"] * user["operator"] + [f"host of {slug}" for slug in user["hosts"]]
    return ", ".join(roles) or "participant"


@app.command("role")
def role(
    username: Username,
    role: Annotated[str, typer.Argument(help="operator, or host with --competition")],
    competition: Competition = None,
    remove: Remove = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Grant or revoke the role of an operator of the site, or of a host of one competition."""
    from lethe.server.hosting import account_administration

    if role not in {"operator", "host"} or (role == "host") != (competition is not None):
        raise typer.BadParameter(
            "use: lethe admin user role NAME operator, or: lethe admin user role NAME host -c SLUG"
        )
    team = None
    with writing(home) as session:
        if competition is None:
            account_administration.set_operator(session, username, is_operator=not remove)
        else:
            team = account_administration.set_host(session, username, competition, is_host=not remove)
    what = "operator" if competition is None else f"host of {competition}"
    document = {"username": username, "role": role, "competition": competition, "given": not remove, "team": team}
    say(document, f"{username} is {'no longer ' if remove else ''}{what}.", as_json)
    if team is not None:
        echo(
            f"warning: {username} is in the team {team!r} of {competition}, and as a host sees what is hidden from all "
            f"others. Rank it no longer: lethe admin team baseline {competition} {shlex.quote(team)}",
            err=True,
        )


@app.command("disable")
def disable(
    username: Username,
    undo: Annotated[bool, typer.Option("--undo", help="Enable the account again")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Disable an account: its tokens and sessions end, its submissions stay."""
    from lethe.server.hosting import account_administration

    with writing(home) as session:
        account_administration.set_disabled(session, username, is_disabled=not undo)
    text = f"{username} is {'enabled' if undo else 'disabled'}."
    say({"username": username, "disabled": not undo}, text, as_json)


@app.command("reset-password")
def reset_password(username: Username, yes: Yes = False, home: Home = None, as_json: Json = False) -> None:
    """Set a new password for an account and print it, once; its tokens and sessions end."""
    from lethe.server.hosting import account_administration

    if not yes:
        typer.confirm(f"End every token and session of {username}?", abort=True, err=True)
    with writing(home) as session:
        password = account_administration.reset_password(session, username)
    say({"username": username, "password": password}, password, as_json)


@app.command("email")
def email(
    username: Username,
    address: Annotated[str, typer.Argument(help="The new e-mail address")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Correct the e-mail address of an account."""
    from pydantic import TypeAdapter, ValidationError

    from lethe.server.accounts.schemas import Email
    from lethe.server.hosting import account_administration

    try:
        TypeAdapter(Email).validate_python(address)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from error
    with writing(home) as session:
        account_administration.set_email(session, username, address)
    say({"username": username, "email": address}, f"The address of {username} is {address}.", as_json)


@app.command("delete")
def delete(username: Username, yes: Yes = False, home: Home = None, as_json: Json = False) -> None:
    """Delete an account: name and address go, submissions and places on boards stay. Nothing brings it back."""
    from lethe.server.hosting import account_administration

    if not yes:
        typer.confirm(f"Delete the account of {username}? Nothing brings it back.", abort=True, err=True)
    with writing(home) as session:
        account_administration.delete_user(session, username)
    say({"username": username, "deleted": True}, f"The account of {username} is deleted.", as_json)


@app.command("invite")
def invite(home: Home = None, as_json: Json = False) -> None:
    """Create an invitation and print its code, with which one person can register."""
    from lethe.server.hosting import account_administration

    with writing(home) as session:
        code = account_administration.invite(session)
    say({"invite": code}, code, as_json)


def audit(
    competition: Competition = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of newest events to show")] = 100,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """List what hosts and operators did, newest first."""
    from lethe.server.audit_log.events import list_events
    from lethe.server.competitions.service import get_competition

    with open_site(home).database.read() as session:
        competition_id = None if competition is None else get_competition(session, competition, drafts=True).id
        events, _ = list_events(session, competition_id=competition_id, cursor=None, limit=limit)
    if as_json:
        keys = ("actor", "action", "target", "details")
        shown = [{"at": e.created_at.isoformat(), **{key: getattr(e, key) for key in keys}} for e in events]
        typer.echo(json.dumps(shown))
        return
    details = [" ".join(f"{name}={value}" for name, value in event.details.items()) for event in events]
    columns = [
        Column("at", [f"{event.created_at:%Y-%m-%d %H:%M:%S}" for event in events]),
        Column("action", [event.action for event in events]),
        Column("target", [event.target for event in events], least=SHORTEST_NAME),
        Column("actor", [event.actor for event in events], 1, least=SHORTEST_NAME),
        Column("details", details, 2, least=SHORTEST_NAME),
    ]
    print_table(columns)
