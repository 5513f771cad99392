"""`lethe bench SWEEP.toml`: methods × constants × seeds through the sandbox and the metric, without a server."""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.cli.options import DataFolder, Home, Json, make_settings
from server.cli.progress import training_progress

if TYPE_CHECKING:
    from evaluator.banks.seeding import ReportProgress
    from evaluator.bench.runs import Bench, MethodRuns
    from evaluator.bench.sweep import Sweep
    from evaluator.bench.tables import Row
    from evaluator.contract.specification import CompetitionSpec


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
    from evaluator.bench.runs import run_methods
    from evaluator.bench.sweep import load_sweep, methods_of
    from evaluator.bench.tables import require_block, sort_rows, write_block
    from evaluator.bench.tracking import log_rows, require_mlflow

    if mlflow is not None:
        require_mlflow()
    for path in block or ():
        require_block(path)
    wanted = load_sweep(sweep)
    methods = methods_of(wanted, sweep.parent)
    settings = make_settings(home=home)
    settings.prepare_home()
    slots = jobs or len(os.sched_getaffinity(0))
    spec = _specification(wanted, sweep.parent, runs)
    with training_progress() as progress, tempfile.TemporaryDirectory(prefix="lethe-bench-") as scratch:
        prepared = _prepare(spec, settings.artifacts, wanted.seed, data=data, jobs=jobs, progress=progress)
        done = run_methods(prepared, methods, slots=slots, scratch=Path(scratch), progress=progress)
    rows = sort_rows(_rows(prepared, done))
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


def _specification(sweep: "Sweep", folder: Path, runs: int | None) -> "CompetitionSpec":
    """Return the competition's specification with the sweep's number of runs, and of oracles in each pool."""
    from evaluator.contract.specification import CompetitionSpec
    from server.hosting.creation import read_specification

    beside = folder / sweep.competition
    spec = read_specification(beside if beside.is_file() else Path(sweep.competition))
    count = runs or sweep.runs or spec.evaluation.runs
    document = spec.model_dump()
    document["evaluation"] |= {"runs": count, "oracles": count, "ceiling_oracles": count}
    return CompetitionSpec.model_validate(document).with_seeds(lambda: sweep.seed)


def _prepare(
    spec: "CompetitionSpec",
    artifacts: str,
    seed: int,
    *,
    data: Path | None,
    jobs: int | None,
    progress: "ReportProgress",
) -> "Bench":
    """Prepare data, original model and both pools of oracles, or load what is stored already."""
    from evaluator.artifacts import open_store
    from evaluator.banks.identity import bank_identity
    from evaluator.banks.seeding import fill_banks
    from evaluator.banks.training_jobs import training_pool
    from evaluator.bench.runs import Bench
    from evaluator.data.sources import Files
    from evaluator.preparation import prepare

    store = open_store(artifacts)
    split = prepare(spec, store, files=Files(folder=data), jobs=jobs, progress=progress).public
    bank = bank_identity(spec, split.visible, split.evaluation)
    orders = [(bank, index) for index in range(spec.evaluation.oracles + spec.evaluation.ceiling_oracles)]
    with training_pool(jobs) as pool:
        fill_banks(orders, store, pool, stage="oracles", progress=progress)
    return Bench(spec=spec, split=split, store=store, runs=spec.evaluation.runs, seed=seed)


def _rows(prepared: "Bench", done: "list[MethodRuns]") -> "list[Row]":
    """Return a row for every method, for the ceiling and for the floor."""
    from safetensors.numpy import load

    from evaluator.artifacts.oracles import load_pool
    from evaluator.artifacts.outputs import stack_outputs
    from evaluator.bench.estimates import estimate_measures
    from evaluator.bench.tables import Row
    from server.competitions.oracle_pools import OraclePools
    from server.scoring.reference_set import load_reference_set

    count, digest, store = prepared.runs, prepared.split.bank_digest, prepared.store
    against = OraclePools(prepared.split, range(count), range(count, 2 * count))
    reference_set = load_reference_set(store, prepared.spec.metric, against)
    evaluation = load(store.get(prepared.split.evaluation))
    labels = {part: evaluation[f"{part}.labels"] for part in ("forget", "test", "retain_sample")}
    oracles, others = (load_pool(store, digest, range(first, first + count)) for first in (0, count))
    rows = []
    references = {"ceiling": others, "floor": stack_outputs([reference_set.original] * count)}
    for name, outputs in references.items():
        score = reference_set.score(reference_set.pool(outputs))
        measures = estimate_measures(score, outputs, oracles, labels, ())
        rows.append(Row(name, {}, count, measures, score, is_reference=True))
    for one in done:
        if one.outputs is None:
            rows.append(Row(one.method.name, one.method.constants, count, {}, None, fault=one.fault))
            continue
        score = reference_set.score(reference_set.pool(one.outputs))
        measures = estimate_measures(score, one.outputs, oracles, labels, one.wall_s)
        rows.append(Row(one.method.name, one.method.constants, count, measures, score))
    return rows


def _texts(rows: "list[Row]", sweep: "Sweep", spec: "CompetitionSpec") -> dict[str, str]:
    """Return the CSV, the whole table and the short one for a marked block."""
    from evaluator.bench.tables import SHORT, csv_table, markdown_table, verdict

    title = sweep.title or f"Methods on {spec.slug}"
    runs = spec.evaluation.runs
    head = f"{runs} runs a method against {runs} oracles on `{spec.slug}`, rule `{spec.metric.rule}`."
    legend = (
        "F and final score with the jackknife's 95% interval, the others with the t interval of the mean over runs. "
        "UA, RA, TA: accuracy on the forget set, the retain sample and the test set in percent; rUA: UA minus the "
        "oracles'; fidelity: agreement with the oracles on the forget set; MIA: forget images called members; run time "
        "in seconds on this machine, one thread a run."
    )
    whole = f"# {title}\n\n{head}\n{legend}\n\n{markdown_table(rows)}\n{verdict(rows)}\n"
    block = f"{head}\n\n{markdown_table(rows, SHORT)}\n{verdict(rows)}\n"
    return {"results.csv": csv_table(rows), "results.md": whole, "block": block}


def _print(rows: "list[Row]") -> None:
    from evaluator.bench.tables import SHORT, format_estimate, verdict

    table = Table(box=None, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for name in SHORT:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        values = [format_estimate(name, row.measures.get(name)) for name in SHORT]
        cells = [row.fault] if row.score is None else values
        table.add_row(row.name, *cells, style="dim" if row.is_reference else "")
    console = Console(highlight=False)
    console.width = max(console.width, Console(width=300).measure(table).maximum)  # long lines beat cut numbers
    console.print(table)
    typer.echo(verdict(rows))


def _document(row: "Row") -> dict[str, object]:
    return {
        "method": row.name,
        "constants": row.constants,
        "runs": row.runs,
        "reference": row.is_reference,
        "fault": row.fault or None,
        "measures": {name: asdict(estimate) for name, estimate in row.measures.items()},
    }
