"""`lethe team`: a participant's team in a competition."""

from typing import Annotated

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.options import Json, Server, Slug, Token, print_json
from lethe.server.client import connect
from lethe.server.teams.schemas import TeamView

app = typer.Typer(no_args_is_help=True)


@app.command("show")
def show(competition: Slug, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Show your team's members and open invitations."""
    with connect(server, token) as client:
        _print(client.team(competition), as_json)


@app.command("create")
def create(
    competition: Slug,
    name: Annotated[str, typer.Argument(help="The team's name on the board")],
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Create a team. Without one, your first upload creates a team of one, named like your account."""
    with connect(server, token) as client:
        _print(client.create_team(competition, name), as_json)


@app.command("invite")
def invite(competition: Slug, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Create an invitation and print its code, with which one person can join your team within seven days."""
    with connect(server, token) as client:
        made = client.invite(client.team(competition).id)
    if as_json:
        print_json(made)
    else:
        typer.echo(made.code)


@app.command("join")
def join(
    code: Annotated[str, typer.Argument(help="Code that `lethe team invite` printed")],
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Join a team with an invitation code."""
    with connect(server, token) as client:
        _print(client.join(code), as_json)


@app.command("leave")
def leave(competition: Slug, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Leave a team that has not submitted yet."""
    with connect(server, token) as client:
        team = client.team(competition)
        client.leave(team.id)
    echo('{"left": true}' if as_json else f"You have left {team.name}.")


def _print(team: TeamView, as_json: bool) -> None:
    if as_json:
        print_json(team)
        return
    fixed = ", fixed because it has submitted" if team.is_fixed else ""
    echo(f"{team.name} in {team.competition}: {', '.join(team.members)} (up to {team.size_limit}{fixed})")
    for one in team.invites:
        typer.echo(f"invitation open until {one.expires_at:%Y-%m-%d %H:%M} UTC")
