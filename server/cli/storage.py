"""Operator commands for stored data: prune, back up and restore."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lethe.evaluator.contract.phrases import count_text
from lethe.server.cli.columns import Column, print_table
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Home, Json, Yes, make_settings, open_site

if TYPE_CHECKING:
    from lethe.server.context import Context

GIB = 2**30
MIB = 2**20


def prune(
    older_than_days: Annotated[
        float, typer.Option("--older-than-days", min=0.1, help="Keep everything that was used in this time")
    ] = 7.0,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete stored outputs that nothing needs. Without --yes it lists them, and asks."""
    from lethe.server.hosting.prune import delete_waste, find_waste

    with on_interrupt("To go on, repeat the command."), _opened(home) as context:
        waste = find_waste(context, older_than=timedelta(days=older_than_days))
        if not as_json:
            sizes = [sum(artifact.size_bytes for artifact in found) for found in waste.artifacts.values()]
            columns = [
                Column("artifacts", [f"{len(found):,}" for found in waste.artifacts.values()], right=True),
                Column("size", [readable(size_bytes) for size_bytes in sizes], right=True),
                Column("reason", list(waste.artifacts)),
            ]
            print_table(columns)
        wanted = yes
        if not yes and not as_json and waste.count and sys.stdin.isatty():
            wanted = typer.confirm(f"Delete {count_text(waste.count, 'artifact')}, {readable(waste.size_bytes)}?")
        deleted = delete_waste(context, waste) if wanted and waste.count else ()
    if as_json:
        typer.echo(json.dumps(_pruned(waste.artifacts, deleted)))
    elif deleted:
        freed = sum(artifact.size_bytes for artifact in deleted)
        typer.echo(f"Deleted {count_text(len(deleted), 'artifact')}, {readable(freed)}.")
    else:
        typer.echo("Nothing was deleted." + ("" if yes or not waste.count else " --yes deletes them."))


def _pruned(found: dict[str, Any], deleted: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "found": [
            {"reason": reason, "artifacts": len(some), "size_bytes": sum(one.size_bytes for one in some)}
            for reason, some in found.items()
        ],
        "deleted": {"artifacts": len(deleted), "size_bytes": sum(one.size_bytes for one in deleted)},
    }


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, which will contain secrets")],
    artifacts: Annotated[bool, typer.Option("--artifacts", help="Copy the artifacts, too")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Back up the database, with a manifest of the artifacts that it needs. Safe while everything runs."""
    from lethe.server.hosting.backup import back_up

    advice = f"There is no backup in {folder}. To begin again, repeat the command."
    with on_interrupt(advice), _opened(home) as context, _copying() as progress:
        manifest = back_up(context, folder, with_artifacts=artifacts, progress=progress)
    size_bytes = sum(artifact.size_bytes for artifact in manifest.artifacts)
    if as_json:
        shown = manifest.model_dump(mode="json", exclude={"artifacts"})
        typer.echo(json.dumps(shown | {"artifacts": len(manifest.artifacts), "size_bytes": size_bytes}))
        return
    what = "copied" if artifacts else "listed; copy the store itself, or use --artifacts"
    typer.echo(f"{folder}: {manifest.database}, schema {manifest.schema_revision}")
    typer.echo(f"{count_text(len(manifest.artifacts), 'artifact')}, {readable(size_bytes)}, {what}")
    if manifest.missing:
        typer.echo(f"missing: {count_text(len(manifest.missing), 'artifact')}, e.g. {manifest.missing[0]}")


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder written by lethe admin backup")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace the current database")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Verify a backup and restore it. Stop serve and control first."""
    from lethe.server.context import create_context
    from lethe.server.hosting.backup import read_manifest
    from lethe.server.hosting.backup import restore as put_back

    manifest = read_manifest(folder)
    context = create_context(make_settings(home=home))
    try:
        advice = "The database may be incomplete. Start nothing before this command, repeated with --yes, has ended."
        with on_interrupt(advice), _copying() as progress:
            restored = put_back(context, folder, manifest, overwrite=yes, progress=progress)
    finally:
        context.database.dispose()
    if as_json:
        typer.echo(json.dumps({"copied": restored.copied, "missing": list(restored.missing)}))
    else:
        typer.echo(f"The database is that of {manifest.created_at:%Y-%m-%d %H:%M} UTC, at the newest schema.")
        typer.echo(f"copied back: {count_text(restored.copied, 'artifact')}; missing: {len(restored.missing):,}")
    if restored.missing:
        if not as_json:
            typer.echo(f"missing or of another size, e.g. {restored.missing[0]}: restore the artifact store as well")
        raise typer.Exit(1)


def readable(size_bytes: int) -> str:
    """Format `size_bytes` in MiB or GiB."""
    return f"{size_bytes / GIB:,.1f} GiB" if size_bytes >= GIB else f"{size_bytes / MIB:,.1f} MiB"


@contextmanager
def _opened(home: Path | None) -> "Iterator[Context]":
    """Open the site, and close its database at the end."""
    context = open_site(home)
    try:
        yield context
    finally:
        context.database.dispose()


@contextmanager
def _copying() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that draws the progress of copying artifacts on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("artifacts"), BarColumn(bar_width=32), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bars:  # fmt: skip
        task = bars.add_task("artifacts", total=None, visible=False)
        yield lambda done, total: bars.update(task, completed=done, total=total, visible=True)
