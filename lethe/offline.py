"""What needs no server: `lethe.bench` and `lethe.measures`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lethe.evaluator.banks.seeding import ReportProgress
    from lethe.evaluator.bench.rows import Row
    from lethe.evaluator.measures.registry import Value
    from lethe.evaluator.metrics import Pool, Rule, Score


def bench(
    sweep: Path | str | Mapping[str, Any],
    *,
    runs: int | None = None,
    jobs: int | None = None,
    data: Path | None = None,
    bank: Path | None = None,
    home: Path | None = None,
    progress: "ReportProgress" = lambda _: None,
) -> "list[Row]":
    """Run methods in the sandbox and return a row with measures and intervals for each, the best first.

    sweep: a TOML file as `lethe bench` takes it, or its content: `{"competition": "demo", "methods": [{"file":
        "finetune"}]}`. Paths in it are relative to the file, or to the current folder.
    runs: of each method, at least 8; by default the sweep's. jobs: processes at a time, by default one a core.
    data: folder with the photographs, for competitions that read files.
    bank: folder of oracles that `lethe admin oracles export` wrote; they are used before any is trained.
    home: where oracles and runs are kept for the next call, by default LETHE_HOME.
    progress: called after every trained model and every run.

    Two more rows, `ceiling` and `floor`, say what retraining and doing nothing get. A method whose code fails has a
    `fault` and no `score`. Needs Linux with bubblewrap and the extra `worker`. Raises SweepError, SpecificationError,
    FolderInvalid for a `bank` that does not fit, SandboxUnavailable where runs cannot be isolated, and BenchFailed;
    what is done by then is kept.
    """
    from lethe.evaluator.bench.compare import compare_methods
    from lethe.evaluator.bench.sweep import load_sweep
    from lethe.server.settings import Settings

    settings = Settings() if home is None else Settings(home=home)
    settings.prepare_home()
    folder = Path() if isinstance(sweep, Mapping) else Path(sweep).parent
    return compare_methods(
        load_sweep(sweep), folder, settings.artifacts, runs=runs, jobs=jobs, data=data, bank=bank, progress=progress
    ).rows


def measures(
    unlearned: "Pool",
    retrained: "Pool",
    *,
    rule: "Rule" = "exact",
    cap_ratios: bool = True,
    identities: "ArrayLike | None" = None,
    ceiling: "Pool | None" = None,
    intervals: bool = True,
) -> "dict[str, Value]":
    """Return what margins and accuracies tell beside the score, by the names of docs/metric.md, without what is absent.

    unlearned, retrained: the runs and the oracles. rule, cap_ratios, identities: as for `score`.
    ceiling: a second pool of oracles, for the values that are relative to it. Call this with it in place of `unlearned`
        for the oracles' own values: most measures mean nothing without them.
    intervals: with their 95% intervals, which take seventeen times as long; else `low` and `high` are None.

    Measures of images and people have four values, at the 50th, 90th, 95th and 99th percentile: `klom_p95`. Raises
    ValueError as `score` does.
    """
    from lethe.evaluator.measures.inputs import inputs_of_pools
    from lethe.evaluator.measures.measurements import measure_inputs
    from lethe.evaluator.metrics import evaluate

    how: dict[str, Any] = {"rule": rule, "cap_ratios": cap_ratios, "identities": identities}

    def scored(pool: "Pool | None") -> "Score | None":
        return None if pool is None else evaluate(pool, retrained, **how)

    inputs = inputs_of_pools(
        unlearned, retrained, rule=rule, identities=identities, score=scored(unlearned), ceiling=scored(ceiling)
    )
    return measure_inputs(inputs, intervals=intervals).values
