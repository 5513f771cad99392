"""Progress bars: bar, counts, models per hour and the remaining time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    from lethe.evaluator.banks.seeding import Progress as Step

_TITLES = {"data": "photographs", "pilot": "models of the pilot", "models": "first models"}
_UNITS = {  # stages whose speed is shown
    "models": "models",
    "pilot": "models",
    "oracles": "models",
    "networks": "models",
    "runs": "runs",
    "readings": "readings",
}


@contextmanager
def training_progress() -> Iterator[Callable[["Step"], None]]:
    """Yield a callback that draws each stage of the evaluator's work as a bar on stderr."""
    bars = Progress(
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}

    def show(step: "Step") -> None:
        if step.done == step.total and not step.fresh:
            return  # everything was stored already
        if not tasks:
            bars.start()
        if step.stage not in tasks:
            tasks[step.stage] = bars.add_task(_TITLES.get(step.stage, step.stage), total=step.total, rate="")
        bars.update(tasks[step.stage], completed=step.done, total=step.total, rate=_rate(step))

    try:
        yield show
    finally:
        if tasks:  # stopping prints a line, even where nothing was drawn
            bars.stop()


@contextmanager
def counting_progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a callback that draws how many of `total` are done as one bar on stderr."""
    columns = (TextColumn("{task.description:<14}", markup=False), BarColumn(bar_width=32), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def bytes_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that draws how many of so many bytes have arrived as one bar on stderr."""
    columns = (
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(bar_width=32),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    bar, tasks = Progress(*columns, console=Console(stderr=True)), list[TaskID]()

    def show(done: int, total: int) -> None:
        if not tasks:
            bar.start()
            tasks.append(bar.add_task(title, total=total))
        bar.update(tasks[0], completed=done)

    try:
        yield show
    finally:
        if tasks:
            bar.stop()


def _rate(step: "Step") -> str:
    if step.stage not in _UNITS or step.models_per_hour is None or step.eta_s is None:
        return ""
    minutes, seconds = divmod(round(step.eta_s), 60)
    left = f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes}:{seconds:02d} min"
    return f"{step.models_per_hour:,.0f} {_UNITS[step.stage]}/h, {left} left"
