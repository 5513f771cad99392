"""`lethe practice SLUG`: download a competition's practice bundle, or find the copy that is here."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.evaluator.contract.practice import classes_text
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import Json, Server, Slug, Yes, make_settings, require_unwritten
from lethe.server.cli.progress import bytes_progress
from lethe.server.client import connect
from lethe.server.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.evaluator.artifacts.practice_bundle import PracticeBundle
    from lethe.server.client.practice import CachedBundle

ASK_ABOVE_BYTES = 100_000_000
MEGABYTE = 1_000_000


def practice(
    competition: Slug,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Also copy it to this file")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file")] = False,
    yes: Yes = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Download a competition's practice bundle: data, model and practice oracles. lethe check -c uses it.

    A download that was cut goes on where it stopped; what is here already is not downloaded again. Where the network is
    a module of the host's own, its source is shown, and nothing runs it on this machine before you agree.
    """
    if output is not None:
        require_unwritten(output, force=force)
    found = obtain_bundle(competition, server, yes=yes)
    bundle = found.open()
    confirm_network(bundle, yes=yes)
    if output is not None:
        try:
            shutil.copyfile(found.path, output)
        except OSError as error:
            raise ConfigurationError(f"cannot write {output}: {error.strerror}") from error
    file = output or found.path
    if as_json:
        typer.echo(json.dumps(_document(found, bundle, file)))
    else:
        typer.echo("\n".join(_lines(bundle, file)))


def obtain_bundle(slug: str, server: str | None, *, yes: bool) -> "CachedBundle":
    """Return the competition's bundle. Ask before a large download; say how old the copy is if no server answers."""
    from lethe.server.client.practice import PracticeCache

    cache = PracticeCache(practice_folder())

    def agreed(size_bytes: int) -> bool:
        if yes or size_bytes <= ASK_ABOVE_BYTES:
            return True
        return typer.confirm(f"Download {size_bytes / MEGABYTE:,.0f} MB of practice data of {slug}?", err=True)

    advice = f"What has arrived is kept. To go on: lethe practice {slug}"
    with on_interrupt(advice), connect(server) as client, bytes_progress("practice data") as progress:
        found = cache.obtain(client, slug, agreed=agreed, progress=progress)
        address = client.server
    if found is None:
        typer.echo("Nothing was downloaded.", err=True)
        raise typer.Exit(1)
    if not found.is_current:
        age = describe_age(datetime.now(UTC) - found.seen_at)
        typer.echo(f"{address} does not answer; using the copy from {age} ago, which may be outdated.", err=True)
    return found


def confirm_network(bundle: "PracticeBundle", *, yes: bool) -> None:
    """Show the source of a host's network once, and ask whether it may run here, outside of the sandbox too.

    With `yes` it is shown and taken. Ends the command with code 1 otherwise.
    """
    from lethe.sandbox.harmless_text import harmless
    from lethe.server.client.trusted_networks import is_trusted, trust

    facts, folder = bundle.facts, practice_folder()
    if is_trusted(facts, folder):
        return
    typer.echo(f"{harmless(facts.network.source.rstrip())}\n", err=True)
    if facts.network.options:
        typer.echo(f"Its options: {harmless(str(dict(facts.network.options)))}\n", err=True)
    told = f"The network of {facts.slug} is the host's own module, shown above. It runs on this machine as your user"
    if yes:
        typer.echo(f"{told}.", err=True)
    elif not typer.confirm(f"{told}. Let it?", err=True):
        raise typer.Exit(1)
    trust(facts, folder)


def practice_folder() -> Path:
    """Return the folder for practice data, downloaded or made here."""
    return make_settings().prepare_home() / "practice"


def describe_age(age: timedelta) -> str:
    """Return an age in its largest whole unit: `3 days`, `1 hour`."""
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if (count := int(age.total_seconds() // seconds)) > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _document(found: "CachedBundle", bundle: "PracticeBundle", file: Path) -> dict[str, object]:
    return {
        "file": str(file),
        "sha256": found.sha256,
        "bytes": found.path.stat().st_size,
        "is_current": found.is_current,
        "seen_at": found.seen_at.isoformat(),
        "images": bundle.images(),
        **bundle.facts.model_dump(mode="json"),
    }


def _lines(bundle: "PracticeBundle", file: Path) -> list[str]:
    facts, limits = bundle.facts, bundle.facts.limits
    images = ", ".join(f"{part} {count:,}" for part, count in bundle.images().items())
    oracles = f"{facts.oracles} practice oracles" if facts.oracles else "no practice oracles yet, a check trains eight"
    return [
        f"{facts.slug}: {facts.title}",
        f"images: {images}; {classes_text(facts.classes, facts.class_names)}",
        f"network {facts.network.name}, {oracles}",
        f"a run may take {limits.run_wall_s:g} s and {limits.memory_bytes / 2**20:,.0f} MiB",
        f"{file}, {file.stat().st_size / MEGABYTE:,.1f} MB",
        f"next: lethe check FILE -c {facts.slug}",
    ]
