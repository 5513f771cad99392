"""Operator commands for workers and their keys, which work on the database directly."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.server.cli.columns import SHORTEST_NAME, Column, print_table
from lethe.server.cli.options import Home, Json, Yes, open_site, say, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from lethe.server.models import Admission

worker = typer.Typer(no_args_is_help=True, help="Workers: list, drain, disable and enable them.")
worker_key = typer.Typer(no_args_is_help=True, help="Keys of workers on other machines.")

WorkerName = Annotated[str, typer.Argument(metavar="NAME", help="The worker's name, as the list has it")]
KeyName = Annotated[str, typer.Argument(metavar="NAME", help="The key's name")]


@worker.command("list")
def list_workers(
    home: Home = None,
    gone: Annotated[bool, typer.Option("--all", help="Also workers that shut down normally")] = False,
    as_json: Json = False,
) -> None:
    """Show which workers are busy, idle, drained, quarantined, disabled or lost, what they do and what they can do."""

    from lethe.server.cli.tables import print_workers
    from lethe.server.queue import workers

    with open_site(home).database.read() as session:
        rows = workers.list_workers(session, gone=gone)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
    else:
        print_workers(rows)


@worker.command("drain")
def drain(name: WorkerName, home: Home = None, as_json: Json = False) -> None:
    """Give a worker no more work; it finishes what it has."""
    from lethe.server.models import Admission

    _admit(name, Admission.DRAINED, "worker.drain", "finishes what it has and gets nothing more", home, as_json)


@worker.command("disable")
def disable(name: WorkerName, home: Home = None, as_json: Json = False) -> None:
    """Refuse a worker, which ends its process; what it has in hand goes to others at once."""
    from lethe.server.models import Admission

    _admit(name, Admission.DISABLED, "worker.disable", "is disabled", home, as_json)


@worker.command("enable")
def enable(name: WorkerName, home: Home = None, as_json: Json = False) -> None:
    """Give a worker work again that was drained, disabled or in quarantine."""
    from lethe.server.models import Admission

    _admit(name, Admission.OPEN, "worker.enable", "gets work", home, as_json)


def _admit(name: str, admission: "Admission", action: str, text: str, home: Path | None, as_json: bool) -> None:
    from lethe.server.audit_log.events import record
    from lethe.server.queue.admission import admit

    with writing(home) as session:
        returned = admit(session, name, admission)
        record(session, action, name)
    say({"worker": name, "admission": admission, "returned": returned}, f"{name} {text}.", as_json)


@worker_key.command("list")
def list_keys(home: Home = None, as_json: Json = False) -> None:
    """List the worker keys, how many workers use each, and when one of them called last."""
    from lethe.server.queue.worker_keys import list_worker_keys

    with open_site(home).database.read() as session:
        rows = list_worker_keys(session)
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
        return
    called = ["never" if row.seen_at is None else f"{row.seen_at:%Y-%m-%d %H:%M:%S}" for row in rows]
    columns = [
        Column("key", [row.name for row in rows], least=SHORTEST_NAME),
        Column("workers", [str(row.workers) for row in rows], right=True),
        Column("last call", called),
    ]
    print_table(columns)


@worker_key.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Create a worker key and print it, once."""
    from lethe.server.queue.worker_keys import create_worker_key

    _issue(create_worker_key, "worker_key.create", name, home, as_json, makes_site=True)


@worker_key.command("renew")
def renew_key(name: KeyName, home: Home = None, as_json: Json = False) -> None:
    """Replace a worker key, which stops working at once, and print the new one, once."""
    from lethe.server.queue.worker_keys import renew_worker_key

    _issue(renew_worker_key, "worker_key.renew", name, home, as_json)


@worker_key.command("delete")
def delete_key(name: KeyName, yes: Yes = False, home: Home = None, as_json: Json = False) -> None:
    """Delete a worker key with its workers, which are refused from now on; what they have in hand goes to others."""
    from lethe.server.audit_log.events import record
    from lethe.server.queue.admission import delete_worker_key

    if not yes:
        typer.confirm(f"Delete the key {name} and refuse its workers?", abort=True, err=True)
    with writing(home) as session:
        returned = delete_worker_key(session, name)
        record(session, "worker_key.delete", name)
    say({"name": name, "returned": returned}, f"The key {name} is deleted.", as_json)


def _issue(
    issue: "Callable[[Session, str], str]",
    action: str,
    name: str,
    home: Path | None,
    as_json: bool,
    *,
    makes_site: bool = False,
) -> None:
    """Print the key that `issue` stores under `name`, and record `action`."""
    from lethe.server.audit_log.events import record

    with writing(home, makes_site=makes_site) as session:
        key = issue(session, name)
        record(session, action, name)
    say({"name": name, "key": key}, key, as_json)
