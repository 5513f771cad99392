"""`lethe account`: change, download and delete one's account."""

import json
from typing import Annotated

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.options import Json, Server, Token, Yes, print_json, say
from lethe.server.client import connect

app = typer.Typer(no_args_is_help=True)

Password = Annotated[str | None, typer.Option("--password", envvar="LETHE_PASSWORD", help="Prompted for if not given")]


@app.command("change")
def change(
    username: Annotated[str | None, typer.Option("--username", "-u", help="The new user name")] = None,
    email: Annotated[str | None, typer.Option("--email", help="The new e-mail address")] = None,
    password: Password = None,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Change your user name or e-mail address. Where the server sends mail, a new address has to be confirmed."""
    given = {name: value for name, value in (("username", username), ("email", email)) if value is not None}
    if not given:
        raise typer.BadParameter("give --username or --email")
    with connect(server, token) as client:
        password = password or typer.prompt("Password", hide_input=True, err=True)
        me = client.change_account(**given, password=password)
    if as_json:
        print_json(me)
    elif email is not None and me.email != email:
        echo(f"A link was mailed to {email}. Until it is opened, your address is {me.email}.")
    else:
        echo(f"{me.username} ({me.email})")


@app.command("data")
def data(server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Print what the server stores about you, as JSON."""
    with connect(server, token) as client:
        typer.echo(json.dumps(client.personal_data(), indent=None if as_json else 1))


@app.command("delete")
def delete(
    password: Password = None, yes: Yes = False, server: Server = None, token: Token = None, as_json: Json = False
) -> None:
    """Delete your account; your submissions stay, as those of a deleted user. Nothing brings it back."""
    with connect(server, token) as client:
        username = client.me().username
        if not yes:
            typer.confirm(f"Delete the account of {username}? Nothing brings it back.", abort=True, err=True)
        password = password or typer.prompt("Password", hide_input=True, err=True)
        client.delete_account(password)
    say({"username": username, "deleted": True}, f"The account of {username} is deleted.", as_json)
