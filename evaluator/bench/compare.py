"""A whole comparison without a server: a sweep's methods against oracles, as rows with intervals."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.banks.seeding import Progress, ReportProgress, fill_banks
from lethe.evaluator.banks.training_jobs import training_pool
from lethe.evaluator.bench.runs import Bench, MethodRuns, run_methods
from lethe.evaluator.bench.sweep import Constant, Sweep, methods_of
from lethe.evaluator.bench.tables import Row, sort_rows
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.data.sources import Files
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.measurements import measure_inputs
from lethe.evaluator.preparation import prepare
from lethe.evaluator.scoring.measuring import load_measuring_set


def compare_methods(
    sweep: Sweep,
    folder: Path,
    artifacts: str,
    *,
    runs: int | None = None,
    jobs: int | None = None,
    data: Path | None = None,
    progress: ReportProgress = lambda _: None,
) -> list[Row]:
    """Return a row for each method, for the ceiling and for the floor, the best final score first.

    Paths in the sweep are relative to `folder`. Data, models, oracles and runs are kept at the URL `artifacts`, and
    what is there already is not made again. `runs` a method, by default the sweep's; `jobs` processes at a time, by
    default one a core; `data` is the folder of photographs for sources that read files. Raises SweepError,
    SpecificationError, SandboxUnavailable, and BenchFailed for faults that are no method's.
    """
    methods = methods_of(sweep, folder)
    slots = jobs or len(os.sched_getaffinity(0))
    spec, files = specification_of(sweep, folder, runs), Files(folder=data)
    with tempfile.TemporaryDirectory(prefix="lethe-bench-") as scratch:
        bench = _prepare(spec, open_store(artifacts), sweep.seed, files=files, jobs=jobs, progress=progress)
        done = run_methods(bench, methods, slots=slots, scratch=Path(scratch), progress=progress)
    return sort_rows(_rows(bench, done, progress))


def specification_of(sweep: Sweep, folder: Path, runs: int | None = None) -> CompetitionSpec:
    """Return the competition's specification with the sweep's number of runs, and of oracles in each pool."""
    beside = folder / sweep.competition
    spec = load_specification(beside if beside.is_file() else sweep.competition)
    count = runs or sweep.runs or spec.evaluation.runs
    document = spec.model_dump()
    document["evaluation"] |= {"runs": count, "oracles": count, "ceiling_oracles": count}
    return CompetitionSpec.model_validate(document).with_seeds(lambda: sweep.seed)


def _prepare(
    spec: CompetitionSpec,
    store: ArtifactStore,
    seed: int,
    *,
    files: Files,
    jobs: int | None,
    progress: ReportProgress,
) -> Bench:
    """Prepare data, original model and both pools of oracles, or load what is stored already."""
    split = prepare(spec, store, files=files, jobs=jobs, progress=progress).public
    bank = bank_identity(spec, split.visible, split.evaluation)
    orders = [(bank, index) for index in range(spec.evaluation.oracles + spec.evaluation.ceiling_oracles)]
    with training_pool(jobs) as pool:
        fill_banks(orders, store, pool, stage="oracles", progress=progress)
    return Bench(spec=spec, split=split, store=store, runs=spec.evaluation.runs, seed=seed)


def _rows(bench: Bench, done: list[MethodRuns], progress: ReportProgress) -> list[Row]:
    count = bench.runs
    against = OraclePools(bench.split, range(count), range(count, 2 * count))
    measuring_set = load_measuring_set(bench.store, bench.spec.metric, against)
    rows = [
        _row("ceiling", measuring_set.second_pool(), is_reference=True),
        _row("floor", measuring_set.untouched(count), is_reference=True),
    ]
    started = time.monotonic()
    for place, one in enumerate(done, 1):
        if one.outputs is None:
            rows.append(Row(one.method.name, one.method.constants, count, {}, None, fault=one.fault))
        else:
            inputs = measuring_set.inputs(one.outputs, {"wall_s": np.array(one.wall_s)})
            rows.append(_row(one.method.name, inputs, constants=one.method.constants))
        progress(Progress("measures", place, len(done), place, time.monotonic() - started))
    return rows


def _row(
    name: str, inputs: MeasureInputs, *, constants: dict[str, Constant] | None = None, is_reference: bool = False
) -> Row:
    found = measure_inputs(inputs)
    return Row(name, constants or {}, inputs.models, found.values, inputs.score, is_reference=is_reference)
