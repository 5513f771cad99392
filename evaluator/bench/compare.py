"""A whole comparison without a server: a sweep's methods against oracles, as rows with intervals."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.banks.exported_bank import ExportedBank, read_bank
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.banks.importing import import_models
from lethe.evaluator.banks.seeding import Progress, ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.bench.against import reference_of, with_comparisons
from lethe.evaluator.bench.provenance import provenance_of, row_key
from lethe.evaluator.bench.rows import Row, Run, sort_rows
from lethe.evaluator.bench.runs import Bench, MethodRuns, identity_of, run_methods, run_seed
from lethe.evaluator.bench.sweep import Sweep, SweepError, methods_of
from lethe.evaluator.bench.utility import utility_of
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.parts import task_specs
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.contract.work import RunRecord
from lethe.evaluator.data.sources import Files
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.preparation import prepare
from lethe.evaluator.scoring.measuring import MeasuringSet, load_measuring_set
from lethe.evaluator.task_preparation import files_of_task

RESOURCES = ("wall_s", "processor_s", "peak_memory_bytes", "gpu_memory_bytes")


@dataclass(frozen=True, eq=False)
class Results:
    """The rows, the best final score first, and a document that says what they depend on."""

    rows: list[Row]
    provenance: dict[str, Any]


def compare_methods(
    sweep: Sweep,
    folder: Path,
    artifacts: str,
    *,
    runs: int | None = None,
    jobs: int | None = None,
    data: Path | None = None,
    bank: Path | None = None,
    progress: ReportProgress = lambda _: None,
) -> Results:
    """Return a row for each method, for the ceiling and for the floor, and what they depend on.

    Paths in the sweep are relative to `folder`. Data, models, oracles and runs are kept at the URL `artifacts`, and
    what is there already is not made again. `runs` a method, by default the sweep's; `jobs` processes at a time, by
    default one a core; `data` is the folder of photographs for sources that read files, `bank` one with exported
    oracles, of which as many as are needed are used. Raises SweepError, SpecificationError, FolderInvalid,
    SandboxUnavailable, and BenchFailed for faults that are no method's.
    """
    started_at = datetime.now(UTC)
    methods = methods_of(sweep, folder)
    reference = reference_of(sweep.reference, [one.name for one in methods])
    exported = None if bank is None else read_bank(bank)
    slots = jobs or len(os.sched_getaffinity(0))
    whole = _whole_specification(sweep, folder, runs)
    spec = _of_task(whole, sweep)
    files = Files(folder=data, beside=(folder / sweep.competition).parent)
    if sweep.task:
        files = files_of_task(whole, sweep.task, files)
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as scratch:
        bench = prepare_bench(
            spec, open_store(artifacts), sweep.seed, files=files, jobs=jobs, exported=exported, progress=progress
        )
        done = run_methods(bench, methods, slots=slots, scratch=Path(scratch), progress=progress)
    rows = with_comparisons(sort_rows(_rows(bench, done, progress)), reference)
    return Results(rows, provenance_of(bench, sweep, methods, reference, started_at))


def specification_of(sweep: Sweep, folder: Path, runs: int | None = None) -> CompetitionSpec:
    """Return the competition's specification with the sweep's number of runs, and of oracles in each pool.

    Of a competition with tasks it is that of the sweep's task. Raises SweepError for a task that there is not, and for
    a competition with several originals.
    """
    return _of_task(_whole_specification(sweep, folder, runs), sweep)


def _of_task(whole: CompetitionSpec, sweep: Sweep) -> CompetitionSpec:
    names = [task.name for task in whole.tasks]
    if sweep.task not in (names or [""]):
        asked = f"has no task {sweep.task!r}" if sweep.task else "has several tasks, and a sweep is of one"
        known = f"choose one of {', '.join(map(repr, names))} as `task`" if names else "leave `task` out"
        raise SweepError(f"competition {sweep.competition!r} {asked}: {known}")
    return task_specs(whole)[names.index(sweep.task)] if names else whole


def _whole_specification(sweep: Sweep, folder: Path, runs: int | None) -> CompetitionSpec:
    beside = folder / sweep.competition
    spec = load_specification(beside if beside.is_file() else sweep.competition)
    if spec.evaluation.originals > 1:
        raise SweepError(
            f"competition {sweep.competition!r} runs each file from {spec.evaluation.originals} original models, and a "
            "sweep runs from one: copy its file, and set evaluation.originals = 1 there"
        )
    count = runs or sweep.runs or spec.evaluation.runs
    document = spec.model_dump()
    document["evaluation"] |= {"runs": count, "oracles": count, "ceiling_oracles": count}
    return CompetitionSpec.model_validate(document).with_seeds(lambda: sweep.seed)


def prepare_bench(
    spec: CompetitionSpec,
    store: ArtifactStore,
    seed: int,
    *,
    files: Files,
    jobs: int | None,
    exported: ExportedBank | None,
    progress: ReportProgress,
) -> Bench:
    """Prepare data, original model and both pools of oracles, or load what is stored already.

    Oracles that are `exported` are imported first, and only those that are then missing are trained. Raises
    FolderInvalid where they are of another bank, which is found out before anything is trained.
    """
    check = None
    if exported is not None:
        check = exported.require_same
        check(bank_identity(spec, exported.identity.visible, exported.identity.evaluation))  # before data are read
    split = prepare(spec, store, files=files, jobs=jobs, progress=progress, check_bank=check).public
    bank = bank_identity(spec, split.visible, split.evaluation)
    count = spec.evaluation.oracles + spec.evaluation.ceiling_oracles
    if exported is not None:
        import_models(
            exported.models[:count],
            bank,
            split,
            store,
            most=count,
            checks_margins=not spec.split.forget,
            jobs=jobs,
            progress=progress,
        )
    orders = [(bank, index) for index in range(count)]
    with training_pool(jobs) as pool:
        fill_banks(orders, store, pool, stage="oracles", progress=progress)
    return Bench(spec=spec, split=split, store=store, runs=spec.evaluation.runs, seed=seed)


def _rows(bench: Bench, done: list[MethodRuns], progress: ReportProgress) -> list[Row]:
    count = bench.runs
    against = OraclePools(bench.split, range(count), range(count, 2 * count))
    measuring_set = load_measuring_set(bench.store, bench.spec.metric, against)
    rows = [
        _reference_row("ceiling", measuring_set.second_pool(), bench),
        _reference_row("floor", measuring_set.untouched(count), bench),
    ]
    started = time.monotonic()
    for place, one in enumerate(done, 1):
        if one.outputs is None:
            rows.append(Row(one.method.name, one.method.constants, count, {}, None, fault=one.fault))
        else:
            rows.append(_method_row(one, one.outputs, measuring_set, bench))
        progress(Progress("measures", place, len(done), place, time.monotonic() - started))
    return rows


def _reference_row(name: str, inputs: MeasureInputs, bench: Bench) -> Row:
    found = measure_inputs(inputs)
    return Row(
        name,
        {},
        inputs.models,
        found.values,
        inputs.score,
        is_reference=True,
        key=row_key(bench, made_from=name),
        utility=utility_of(inputs, cap=bench.spec.metric.cap_ratios),
    )


def _method_row(done: MethodRuns, outputs: StackedOutputs, measuring_set: MeasuringSet, bench: Bench) -> Row:
    used = {name: _known([getattr(record, name) for record in done.records]) for name in RESOURCES}
    inputs = measuring_set.inputs(outputs, used)
    return Row(
        done.method.name,
        done.method.constants,
        inputs.models,
        measure_inputs(inputs).values,
        inputs.score,
        key=row_key(bench, made_from=str(identity_of(bench, done.method))),
        each=tuple(_run(record, outputs, place, bench) for place, record in enumerate(done.records)),
        utility=utility_of(inputs, cap=bench.spec.metric.cap_ratios),
    )


def _known(values: Sequence[float | None]) -> Floats:
    """(N,) the values, NaN where nobody measured one."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _run(record: RunRecord, outputs: StackedOutputs, place: int, bench: Bench) -> Run:
    return Run(
        index=record.index,
        seed=run_seed(bench.seed, record.index),
        accuracies={part: float(values[place]) for part, values in outputs.accuracy.items()},
        **{name: getattr(record, name) for name in RESOURCES},
    )
