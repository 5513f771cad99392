"""`lethe bench SWEEP.toml`: methods × constants × seeds through the sandbox and the metric, without a server."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.server.cli.columns import Column, print_table
from lethe.server.cli.interrupts import on_interrupt
from lethe.server.cli.options import DataFolder, Home, Json, make_settings
from lethe.server.cli.progress import training_progress

if TYPE_CHECKING:
    from lethe.evaluator.bench.sweep import Sweep
    from lethe.evaluator.bench.tables import Row
    from lethe.evaluator.contract.specification import CompetitionSpec

SHORTEST_METHOD = 16
DROPPED = {"forgetting_quality": 1, "forget_accuracy": 2, "retain_accuracy": 3, "test_accuracy": 4, "wall_time": 5}
"""Columns that a narrow terminal lacks, those with the highest number first."""


def bench(
    sweep: Annotated[Path, typer.Argument(help="TOML file that names methods, constants and a competition")],
    runs: Annotated[int | None, typer.Option("--runs", min=8, help="Runs per method; default: the sweep's")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes at a time; default: cores")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for results.csv and results.md")] = None,
    block: Annotated[
        list[Path] | None, typer.Option("--block", help="Markdown file whose marked block to replace")
    ] = None,
    mlflow: Annotated[str | None, typer.Option("--mlflow", help="MLflow tracking URI to log to")] = None,
    data: DataFolder = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare methods offline. After an interruption it continues where it stopped."""
    from lethe.evaluator.bench.compare import compare_methods, specification_of
    from lethe.evaluator.bench.sweep import load_sweep
    from lethe.evaluator.bench.tables import require_block, write_block
    from lethe.evaluator.bench.tracking import log_rows, require_mlflow

    if mlflow is not None:
        require_mlflow()
    for path in block or ():
        require_block(path)
    wanted = load_sweep(sweep)
    spec = specification_of(wanted, sweep.parent, runs)
    settings = make_settings(home=home)
    settings.prepare_home()
    with on_interrupt("What is done is kept. To go on, repeat the command."), training_progress() as progress:
        rows = compare_methods(
            wanted, sweep.parent, settings.artifacts, runs=runs, jobs=jobs, data=data, progress=progress
        )
    if as_json:
        typer.echo(json.dumps([_document(row) for row in rows]))
    else:
        _print(rows)
    texts = _texts(rows, wanted, spec)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("results.csv", "results.md"):
            (out / name).write_text(texts[name], encoding="utf-8")
    for path in block or ():
        write_block(path, texts["block"])
    if mlflow is not None:
        log_rows(rows, uri=mlflow, experiment=wanted.title or spec.slug)
    if any(row.score is None for row in rows):
        raise typer.Exit(1)


def _texts(rows: "list[Row]", sweep: "Sweep", spec: "CompetitionSpec") -> dict[str, str]:
    """Return the CSV, the whole table and the short one for a marked block."""
    from lethe.evaluator.bench.tables import SHORT, csv_table, markdown_table, verdict

    title = sweep.title or f"Methods on {spec.slug}"
    runs = spec.evaluation.runs
    head = f"{runs} runs a method against {runs} oracles on `{spec.slug}`, rule `{spec.metric.rule}`."
    legend = (
        "Values with their 95% intervals: t over runs, or the jackknife over runs and oracles. metric.md says what "
        "each measure reads as; most are read against the ceiling's value. Times are of this machine, one thread a run."
    )
    whole = f"# {title}\n\n{head}\n{legend}\n\n{verdict(rows)}\n\n{markdown_table(rows)}"
    block = f"{head}\n\n{markdown_table(rows, SHORT)}\n{verdict(rows)}\n"
    return {"results.csv": csv_table(rows), "results.md": whole, "block": block}


def _print(rows: "list[Row]") -> None:
    from lethe.evaluator.bench.tables import SHORT, column_title, format_value, verdict

    columns = [Column("method", [row.name for row in rows], least=SHORTEST_METHOD)]
    for name in SHORT:
        values = [format_value(row.measures.get(name)) for row in rows]
        columns.append(Column(column_title(name), values, DROPPED.get(name, 0), right=True))
    if any(row.fault for row in rows):
        columns.append(Column("fault", [row.fault for row in rows], least=SHORTEST_METHOD))
    print_table(columns, styles={place: "dim" for place, row in enumerate(rows) if row.is_reference})
    typer.echo(verdict(rows))


def _document(row: "Row") -> dict[str, object]:
    return {
        "method": row.name,
        "constants": row.constants,
        "runs": row.runs,
        "reference": row.is_reference,
        "fault": row.fault or None,
        "measures": {name: asdict(value) for name, value in row.measures.items()},
    }
