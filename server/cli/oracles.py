"""Commands for oracle banks: seed, import, export, recall, status, verify, prune."""

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.evaluator.contract.phrases import count_text
from lethe.server.cli.interrupts import EXIT_INTERRUPTED, on_interrupt
from lethe.server.cli.options import Home, Jobs, Json, Slug, Yes, open_site, say
from lethe.server.cli.progress import training_progress

if TYPE_CHECKING:
    from lethe.server.hosting.oracle_status import BankStatus

app = typer.Typer(no_args_is_help=True)

Split = Annotated[str, typer.Option("--split", help="The bank's split: public or final")]

MEGABYTE = 1_000_000
EXIT_FAILED = 1


@app.command("seed")
def seed(
    slug: Slug,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Oracles in each bank; default: all")] = None,
    jobs: Jobs = None,
    distributed: Annotated[bool, typer.Option("--distributed", help="Let the workers train, and watch them")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train missing oracles. Safe to stop with Ctrl-C, to restart, and to run on many machines at once."""
    from lethe.server.hosting import oracles

    context = open_site(home)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # batch systems stop jobs with the second
        signal.signal(number, lambda *_: stop.set())
    with training_progress() as progress:
        done = oracles.seed(
            context, slug, count=count, jobs=jobs, distributed=distributed, progress=progress, stop=stop
        )
    if as_json:
        typer.echo(json.dumps({"competition": slug} | asdict(done)))
    elif done.trained == done.wanted:
        typer.echo(f"The banks of {slug} have all {done.wanted} oracles; {done.here} were trained by this command.")
    if done.trained < done.wanted:
        again = f"to continue: lethe admin oracles seed {slug}{' --distributed' if distributed else ''}"
        state = (
            f"Stopped watching; the workers continue until: lethe admin oracles recall {slug}"
            if distributed
            else "Stopped"
        )
        typer.echo(f"{state}. {done.trained} of {done.wanted} oracles are trained and stored; {again}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED if stop.is_set() else EXIT_FAILED)


@app.command("import")
def import_(
    slug: Slug,
    folder: Annotated[Path, typer.Argument(help="Folder with .safetensors or .pt files and their table, oracles.csv")],
    split: Split = "public",
    jobs: Jobs = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take in models trained elsewhere as oracles. The table has the columns file and seed; all are checked first."""
    from lethe.server.hosting import oracle_files

    context = open_site(home)
    with (
        on_interrupt("To continue the import, repeat the command: what is stored already is kept."),
        training_progress() as progress,
    ):
        count, missing = oracle_files.import_oracles(context, slug, folder, split=split, jobs=jobs, progress=progress)
    text = f"{count_text(count, 'oracle')} imported into the {split} bank of {slug}; every receipt will say so."
    if missing:
        text += f"\n{missing} are missing; to train them: lethe admin oracles seed {slug}"
    say({"competition": slug, "split": split, "imported": count, "missing": missing}, text, as_json)


@app.command("export")
def export(
    slug: Slug,
    folder: Annotated[Path, typer.Argument(help="New folder for checkpoints, their table oracles.csv, and bank.json")],
    split: Split = "public",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write the oracles' checkpoints and seeds, for `import` elsewhere and `lethe bench`. Keep them as the data."""
    from lethe.server.hosting import oracle_files

    count = oracle_files.export_oracles(open_site(home), slug, folder, split=split)
    text = f"{folder} has {count_text(count, 'oracle')} of the {split} bank of {slug}."
    say({"competition": slug, "split": split, "oracles": count, "folder": str(folder)}, text, as_json)


@app.command("recall")
def recall(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Stop workers from training more oracles of this competition; models in training are finished."""
    from lethe.server.hosting import oracles

    held = oracles.recall(open_site(home), slug)
    text = f"Workers train no more oracles of {slug}; {held} are still in training."
    say({"competition": slug, "in_hand": held}, text, as_json)


@app.command("status")
def status(slug: Slug, home: Home = None, as_json: Json = False) -> None:
    """Show trained and missing models of each bank, who trains what, how fast, and disk usage."""
    from lethe.server.hosting import oracle_status

    found = oracle_status.status(open_site(home), slug)
    if as_json:
        typer.echo(json.dumps({"competition": slug, "banks": [bank.as_json() for bank in found]}))
        return
    for bank in found:
        typer.echo("\n".join(_lines(bank)))
    if any(bank.missing for bank in found):
        typer.echo(f"next: lethe admin oracles seed {slug}")


@app.command("verify")
def verify(
    slug: Slug,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Models of each bank to recompute")] = 8,
    jobs: Jobs = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Check all stored digests, and recompute the outputs of a sample from checkpoints."""
    from lethe.server.hosting import oracles

    context = open_site(home)
    with (
        on_interrupt("Nothing was changed. To verify from the beginning, repeat the command."),
        training_progress() as progress,
    ):
        found = oracles.verify(context, slug, sample=sample, jobs=jobs, progress=progress)
    sound = all(one.sound for one in found.values())
    if as_json:
        typer.echo(json.dumps({"competition": slug, "sound": sound, "banks": {k: asdict(v) for k, v in found.items()}}))
    else:
        for split, one in found.items():
            again = one.identical + one.close + len(one.different)
            typer.echo(
                f"{split} bank: {one.models} models, {len(one.damaged)} artifacts damaged; {again} recomputed: "
                f"{one.identical} the same bits, {one.close} within the tolerance, {len(one.different)} different"
            )
            if one.pruned:
                typer.echo(f"  {one.pruned} no longer have a checkpoint (pruned): their outputs cannot be recomputed")
            for line in (*one.damaged, *one.different):
                typer.echo(f"  {line}")
    if not sound:
        raise typer.Exit(EXIT_FAILED)


@app.command("prune")
def prune(
    slug: Slug,
    yes: Yes = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Delete the oracles' checkpoints, but those that audits need. Scores need only the outputs, which stay."""
    from lethe.server.hosting import oracles

    context = open_site(home)
    size_bytes = oracles.checkpoint_bytes(context, slug)
    question = (
        f"Delete {size_bytes / MEGABYTE:,.0f} MB of checkpoints of {slug}? Scores stay, but outputs cannot be "
        "recomputed"
    )
    if size_bytes and not yes:
        typer.confirm(question, abort=True, err=True)
    count = oracles.prune(context, slug)
    if as_json:
        typer.echo(json.dumps({"competition": slug, "checkpoints": count, "bytes": size_bytes}))
        return
    typer.echo(f"{count} checkpoints deleted, {size_bytes / MEGABYTE:,.0f} MB.")


def _lines(bank: "BankStatus") -> list[str]:
    rate = "" if bank.models_per_hour is None else f", {bank.models_per_hour:,.0f} models/h in the last hour"
    ceiling = f", {bank.ceiling[0]} of {bank.ceiling[1]} for the ceiling" if bank.ceiling[1] else ""
    lines = [
        f"{bank.split} bank {bank.bank[:12]}: {bank.oracles[0]} of {bank.oracles[1]} oracles{ceiling}; torch "
        f"{bank.torch}, {bank.disk_bytes / MEGABYTE:,.1f} MB"
        f"{', checkpoints pruned' if bank.pruned else ''}{rate}"
    ]
    holders: dict[str, list[int]] = {}
    for held in bank.in_progress:
        holders.setdefault(held.holder, []).append(held.index)
    lines += [f"  in training at {holder}: {', '.join(map(str, indices))}" for holder, indices in holders.items()]
    if bank.waiting:
        lines.append(f"  {bank.waiting} waiting for a trainer{', offered to the workers' if bank.offered else ''}")
    lines += [f"  failed: {message}" for message in bank.failed]
    return lines
