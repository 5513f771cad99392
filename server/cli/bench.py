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
    from lethe.evaluator.bench.rows import Row
    from lethe.evaluator.bench.sweep import Sweep
    from lethe.evaluator.contract.specification import CompetitionSpec
    from lethe.server.plots.drawing import Plot

PLOT = "pareto.svg"
SHORTEST_METHOD = 16
DROPPED = {"forgetting_quality": 1, "forget_accuracy": 3, "retain_accuracy": 4, "test_accuracy": 5, "wall_time": 6}
"""Columns that a narrow terminal lacks, those with the highest number first."""


def bench(
    sweep: Annotated[Path, typer.Argument(help="TOML file that names methods, constants and a competition")],
    runs: Annotated[int | None, typer.Option("--runs", min=8, help="Runs per method; default: the sweep's")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes at a time; default: cores")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for tables (CSV, Markdown, LaTeX), plot, runs and provenance")
    ] = None,
    block: Annotated[
        list[Path] | None, typer.Option("--block", help="Markdown file whose marked block to replace")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="Method that the others are compared with; default: the sweep's")
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option("--mlflow", help="Also log to MLflow, each row once: a folder, or a tracking URI")
    ] = None,
    data: DataFolder = None,
    bank: Annotated[
        Path | None, typer.Option("--bank", help="Folder of exported oracles, which are used before any is trained")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare methods offline. After an interruption it continues where it stopped."""
    from lethe.evaluator.artifacts.mlflow_target import open_experiment, tracking_uri
    from lethe.evaluator.bench.compare import compare_methods, specification_of
    from lethe.evaluator.bench.sweep import load_sweep
    from lethe.evaluator.bench.tables import require_block, write_block
    from lethe.evaluator.bench.tracking import log_rows

    for path in block or ():
        require_block(path)
    wanted = load_sweep(sweep)
    if against is not None:
        wanted = wanted.model_copy(update={"reference": against})
    spec = specification_of(wanted, sweep.parent, runs)
    experiment = wanted.title or spec.slug
    if out is not None:
        _require_folder(out)
    if mlflow is not None:
        open_experiment(mlflow, experiment)
    settings = make_settings(home=home)
    settings.prepare_home()
    with on_interrupt("What is done is kept. To go on, repeat the command."), training_progress() as progress:
        found = compare_methods(
            wanted, sweep.parent, settings.artifacts, runs=runs, jobs=jobs, data=data, bank=bank, progress=progress
        )
    rows = found.rows
    if as_json:
        typer.echo(json.dumps([_document(row) for row in rows]))
    else:
        _print(rows)
    if out is not None:
        _write(out, rows, wanted, spec, found.provenance)
    for path in block or ():
        write_block(path, _block(rows, spec, wanted))
    if mlflow is not None:
        log_rows(rows, target=mlflow, experiment=experiment, provenance=found.provenance)
        typer.echo(f"to view them in MLflow: mlflow ui --backend-store-uri {tracking_uri(mlflow)}", err=True)
    if any(row.score is None for row in rows):
        raise typer.Exit(1)


def _require_folder(out: Path) -> None:
    """Make the folder before the work; raises BadParameter where that is not possible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"--out {out}: {error.strerror}") from error


def _of_task(sweep: "Sweep") -> str:
    return f", task {sweep.task}" if sweep.task else ""


def _head(spec: "CompetitionSpec", sweep: "Sweep") -> str:
    runs, rule = spec.evaluation.runs, spec.metric.rule
    return f"{runs} runs a method against {runs} oracles on `{spec.slug}`{_of_task(sweep)}, rule `{rule}`."


def _block(rows: "list[Row]", spec: "CompetitionSpec", sweep: "Sweep") -> str:
    """Return the short table for a marked block."""
    from lethe.evaluator.bench.tables import SHORT, markdown_table, verdict

    return f"{_head(spec, sweep)}\n\n{markdown_table(rows, SHORT)}\n{verdict(rows)}\n"


def _write(
    out: Path, rows: "list[Row]", sweep: "Sweep", spec: "CompetitionSpec", provenance: dict[str, object]
) -> None:
    """Write the files of the results' folder."""
    from lethe.evaluator.bench.tables import (
        comparison_table,
        csv_table,
        latex_tables,
        markdown_table,
        runs_table,
        verdict,
    )

    legend = (
        "Values with their 95% intervals: t over runs, or the jackknife over runs and oracles. metric.md says what "
        "each measure reads as; most are read against the ceiling's value. Times are of this machine, one thread a run."
    )
    plot = _plot(rows)
    parts = (
        f"# {sweep.title or f'Methods on {spec.slug}{_of_task(sweep)}'}",
        f"{_head(spec, sweep)}\n{legend}",
        verdict(rows),
        f"![{plot.title}]({PLOT})",
        plot.text,
        f"{comparison_table(rows)}\n{markdown_table(rows)}",
    )
    files = {
        "results.csv": csv_table(rows),
        "results.md": "\n\n".join(parts),
        "results.tex": latex_tables(rows),
        "runs.csv": runs_table(rows),
        "provenance.json": json.dumps(provenance, indent=1),
        PLOT: plot.svg.decode(),
    }
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")


def _plot(rows: "list[Row]") -> "Plot":
    """Return the plot of forgetting quality against utility; ceiling and floor are always among the rows."""
    from lethe.server.plots.pareto import Point, pareto_plot

    return pareto_plot(
        [
            Point(row.name, row.measures["forgetting_quality"], row.utility, row.is_reference)
            for row in rows
            if row.utility is not None
        ]
    )


def _print(rows: "list[Row]") -> None:
    from lethe.evaluator.bench.tables import SHORT, column_title, format_p, format_value, verdict

    columns = [Column("method", [row.name for row in rows], least=SHORTEST_METHOD)]
    for name in SHORT:
        values = [format_value(row.measures.get(name)) for row in rows]
        columns.append(Column(column_title(name), values, DROPPED.get(name, 0), right=True))
    if any(row.against for row in rows):
        p_values = ["" if row.against is None else format_p(row.against.adjusted_p_value) for row in rows]
        columns.append(Column("p, Holm", p_values, 2, right=True))
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
        "against": None if row.against is None else asdict(row.against),
        "each": [asdict(one) for one in row.each],
    }
