"""`lethe webhook`: programs that are told what happens to a team's submissions, or to all of a competition."""

import json
from typing import Annotated
from uuid import UUID

import typer

from lethe.server.cli.characters import echo
from lethe.server.cli.options import Json, Server, Slug, Token, print_json, say
from lethe.server.client import connect
from lethe.server.client.api import Client
from lethe.server.webhooks.events import EVENTS, Event

app = typer.Typer(no_args_is_help=True)

OfHosts = Annotated[bool, typer.Option("--hosts", help="Of the competition's hosts instead of your team")]
WebhookId = Annotated[UUID, typer.Argument(metavar="ID", help="The webhook's id")]


@app.command("list")
def list_(
    competition: Slug, hosts: OfHosts = False, server: Server = None, token: Token = None, as_json: Json = False
) -> None:
    """List webhooks."""
    with connect(server, token) as client:
        found = client.webhooks(_owner(client, competition, hosts))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    for one in found:
        echo(f"{one.id}  {one.url}  {', '.join(one.events)}")


@app.command("add")
def add(
    competition: Slug,
    url: Annotated[str, typer.Argument(help="Where messages go: https://…")],
    event: Annotated[list[Event], typer.Option("--event", help="; ".join(f"{e}: {EVENTS[e]}" for e in EVENTS))] = [  # noqa: B006
        Event.SCORED,
        Event.REVEALED,
    ],
    hosts: OfHosts = False,
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Have events sent to an address, and print the secret that signs them, this once."""
    with connect(server, token) as client:
        made = client.add_webhook(_owner(client, competition, hosts), url, [one.value for one in event])
    if as_json:
        print_json(made)
    else:
        echo(f"{made.id}\n{made.secret}")


@app.command("delete")
def delete(webhook: WebhookId, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """Delete a webhook; what waits is not sent."""
    with connect(server, token) as client:
        client.delete_webhook(webhook)
    say({"id": str(webhook), "deleted": True}, f"The webhook {webhook} is deleted.", as_json)


@app.command("deliveries")
def deliveries(webhook: WebhookId, server: Server = None, token: Token = None, as_json: Json = False) -> None:
    """List what was sent to a webhook in the last 30 days, with the last answers."""
    with connect(server, token) as client:
        found = client.deliveries(webhook)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found]))
        return
    for one in found:
        outcome = "taken" if one.delivered_at else "waiting" if one.retry_at else "given up"
        answer = " ".join(str(part) for part in (one.status, one.problem or one.answer) if part)
        echo(f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {one.event}  {outcome}  {answer[:200]}")


@app.command("redeliver")
def redeliver(
    webhook: WebhookId,
    delivery: Annotated[UUID, typer.Argument(help="The delivery's id")],
    server: Server = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Send a message again."""
    with connect(server, token) as client:
        found = client.redeliver(webhook, delivery)
    if as_json:
        print_json(found)
    else:
        echo("It is sent again; `lethe webhook deliveries` has its answer within a minute.")


def _owner(client: Client, competition: str, hosts: bool) -> UUID | str:
    return competition if hosts else client.team(competition).id
