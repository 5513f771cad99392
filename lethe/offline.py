"""Comparing methods offline: `lethe.bench`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lethe.evaluator.banks.seeding import ReportProgress
    from lethe.evaluator.bench.tables import Row


def bench(
    sweep: Path | str | Mapping[str, Any],
    *,
    runs: int | None = None,
    jobs: int | None = None,
    data: Path | None = None,
    home: Path | None = None,
    progress: "ReportProgress" = lambda _: None,
) -> "list[Row]":
    """Run methods in the sandbox and return a row with measures and intervals for each, the best first.

    sweep: a TOML file as `lethe bench` takes it, or its content: `{"competition": "demo", "methods": [{"file":
        "finetune"}]}`. Paths in it are relative to the file, or to the current folder.
    runs: of each method, at least 8; by default the sweep's. jobs: processes at a time, by default one a core.
    data: folder with the photographs, for competitions that read files.
    home: where oracles and runs are kept for the next call, by default LETHE_HOME.
    progress: called after every trained model and every run.

    Two more rows, `ceiling` and `floor`, say what retraining and doing nothing get. A method whose code fails has a
    `fault` and no `score`. Needs Linux with bubblewrap and the extra `worker`. Raises SweepError, SpecificationError,
    SandboxUnavailable where runs cannot be isolated, and BenchFailed; what is done by then is kept.
    """
    from lethe.evaluator.bench.compare import compare_methods
    from lethe.evaluator.bench.sweep import load_sweep
    from lethe.server.settings import Settings

    settings = Settings() if home is None else Settings(home=home)
    settings.prepare_home()
    folder = Path() if isinstance(sweep, Mapping) else Path(sweep).parent
    return compare_methods(
        load_sweep(sweep), folder, settings.artifacts, runs=runs, jobs=jobs, data=data, progress=progress
    )
