"""`lethe check FILE`: a dry run on practice data, in the same sandbox, without any server."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import AllowUnsafe, DataFolder, Json, make_settings
from server.cli.progress import training_progress


def check(
    file: Annotated[
        Path, typer.Argument(help="Python file or notebook with unlearning(net, retain, forget, validation)")
    ],
    specification: Annotated[Path, typer.Option("--spec", help="TOML file, or a shipped one's name")] = Path("demo"),
    data_folder: DataFolder = None,
    as_json: Json = False,
    allow_unsafe: AllowUnsafe = False,
) -> None:
    """Run a submission twice on practice data and show everything that it says."""
    from evaluator.data.sources import Files
    from evaluator.practice import practise
    from server.competitions.hosting import read_specification
    from server.submissions.static_check import RefusedFile, check_file

    spec = read_specification(specification)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}") from error
    try:
        checked = check_file(data, filename=file.name, limit_bytes=spec.limits.upload_bytes)
    except RefusedFile as refusal:
        typer.echo(f"{refusal.code}: {refusal}", err=True)
        raise typer.Exit(1) from refusal
    for note in checked.notes:
        typer.echo(f"note: {note}", err=True)
    folder = make_settings().prepare_home() / "practice"
    with training_progress() as progress, tempfile.TemporaryDirectory(prefix="lethe-check-") as scratch:
        result = practise(
            checked.source,
            spec,
            store_folder=folder,
            scratch=Path(scratch),
            files=Files(folder=data_folder),
            allow_unsafe=allow_unsafe,
            progress=progress,
        )
    if as_json:
        typer.echo(result.model_dump_json())
    else:
        _show(result.report.stdout, result.report.stderr, result.report.traceback)
        if result.fault is not None:
            place = f" (line {result.fault.line})" if result.fault.line else ""
            typer.echo(f"{result.fault.code}{place}: {result.fault.text}", err=True)
        else:
            accuracies = ", ".join(f"{part} {value:.3f}" for part, value in result.accuracies.items())
            for advice in result.report.advice:
                typer.echo(f"{advice}: {advice.text}", err=True)
            typer.echo(f"ok in {result.report.wall_s:.1f} s; accuracies on practice data: {accuracies}")
    if result.fault is not None:
        raise typer.Exit(1)


def _show(*parts: str) -> None:
    for part in parts:
        if part.strip():
            typer.echo(part.rstrip())
