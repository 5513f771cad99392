"""Accounts on a server: register, log in, log out."""

import json
import socket
from typing import Annotated

import typer

from lethe import __version__
from lethe.server.cli.characters import echo
from lethe.server.cli.options import Json, Server
from lethe.server.client.api import Client
from lethe.server.client.errors import ApiError
from lethe.server.client.login import ClientSettings, StoredLogin, connect, find_server

Username = Annotated[str | None, typer.Option("--username", "-u", help="Prompted for if not given")]
Password = Annotated[str | None, typer.Option("--password", envvar="LETHE_PASSWORD", help="Prompted for if not given")]


def register(
    username: Username = None,
    email: Annotated[str | None, typer.Option("--email", help="Prompted for if not given")] = None,
    password: Password = None,
    invite: Annotated[str | None, typer.Option("--invite", help="Code, if registration is by invitation")] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Create an account and log in to it."""
    with _visitor(server) as client:
        username = username or typer.prompt("User name", err=True)
        email = email or typer.prompt("E-mail address", err=True)
        password = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        made = client.register(username, email, password, invite=invite)
        _store(StoredLogin(server=client.server, username=made.username, token=made.token), as_json)


def login(
    username: Username = None,
    password: Password = None,
    token: Annotated[
        str | None,
        typer.Option("--token", help="Store this API token instead of asking for a password; -: from stdin"),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser", help="Confirm in a browser, such as for an account without a password")
    ] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Create a token for this machine and store it with the server's address."""
    with _visitor(server) as client:
        if browser:
            found = _confirmed_in_browser(client)
        elif token is not None:
            token = typer.get_text_stream("stdin").readline().strip() if token == "-" else token  # noqa: S105
            with Client(client.server, token) as owner:
                found = StoredLogin(server=client.server, username=owner.me().username, token=token)
        else:
            username = username or typer.prompt("User name", err=True)
            password = password or typer.prompt("Password", hide_input=True, err=True)
            new = client.create_token(username, password, name=_token_name())
            found = StoredLogin(server=client.server, username=username, token=new.token, token_id=new.id)
        _store(found, as_json)
        theirs = client.server_version()
    if theirs != __version__:
        typer.echo(f"note: the server runs Lethe {theirs} and this is {__version__}", err=True)


def logout(as_json: Json = False) -> None:
    """Delete the stored login, and its token on the server."""
    stored = StoredLogin.load()
    if stored is not None:
        StoredLogin.path().unlink(missing_ok=True)
        if stored.token_id is not None:
            try:
                with Client(stored.server, stored.token, origin="lethe login") as client:
                    client.delete_token(stored.token_id)
            except ApiError as error:
                echo(f"note: the token was not deleted on the server: {error}", err=True)
    if as_json:
        typer.echo(json.dumps({"logged_out": stored is not None}))
    else:
        echo("You were not logged in." if stored is None else f"Logged out of {stored.server}.")


def whoami(server: Server = None, as_json: Json = False) -> None:
    """Show which account commands use, and on which server."""
    with connect(server) as client:
        me = client.me()
        address = client.server
    if as_json:
        typer.echo(json.dumps({"server": address, **me.model_dump(mode="json")}))
        return
    echo(f"{me.username} ({me.email}) on {address}{', an operator' if me.is_operator else ''}")


def _token_name() -> str:
    return f"lethe on {socket.gethostname()}"[:80]


def _confirmed_in_browser(client: Client) -> StoredLogin:
    begun = client.begin_device_login(_token_name())
    echo(
        f"Open {begun.verification_uri_complete} in a browser, and confirm there the code {begun.user_code}.", err=True
    )
    new = client.wait_for_device_login(begun)
    return StoredLogin(server=client.server, username=new.username, token=new.token, token_id=new.id)


def _visitor(server: str | None) -> Client:
    """Return a client without a token."""
    address, origin = find_server(server)
    return Client(address, origin=origin)


def _store(found: StoredLogin, as_json: bool) -> None:
    found.save()
    if as_json:
        typer.echo(json.dumps({"server": found.server, "username": found.username, "file": str(StoredLogin.path())}))
    else:
        echo(f"Logged in to {found.server} as {found.username}. The token is in {StoredLogin.path()}.")
    if ClientSettings().token.get_secret_value():
        typer.echo("note: LETHE_TOKEN is set and takes precedence over the stored token", err=True)
