"""What each task and the draw of the originals gave to a score, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.evaluator.contract.phrases import count_text
from lethe.server.leaderboard.schemas import OriginalsView, TaskScoreView
from lethe.server.pages.formatting import score_text


@dataclass(frozen=True)
class TaskLine:
    """One task; `quality`, `ceiling` and `utility` are empty as long as the metric is hidden."""

    name: str
    weight: str
    score: str
    interval: str
    quality: str
    ceiling: str
    utility: str


@dataclass(frozen=True)
class TasksBox:
    """The table beside a score; `originals` is a sentence, empty with one original."""

    lines: tuple[TaskLine, ...]
    has_metric: bool
    originals: str


def tasks_box(tasks: Sequence[TaskScoreView], originals: OriginalsView | None) -> TasksBox | None:
    """Return the table of the tasks of a score, or None where it has neither tasks nor several originals."""
    if not tasks and originals is None:
        return None
    return TasksBox(
        lines=tuple(task_line(task) for task in tasks),
        has_metric=any(task.metric is not None for task in tasks),
        originals="" if originals is None else originals_text(originals),
    )


def task_line(task: TaskScoreView) -> TaskLine:
    """Return a task's numbers as texts; utility is the retain ratio times the test ratio."""
    metric = task.metric or {}
    utility = score_text(metric["retain_ratio"] * metric["test_ratio"]) if metric else ""
    return TaskLine(
        name=task.name,
        weight=f"{100 * task.share:.3g}%",
        score=score_text(task.score),
        interval=f"{score_text(task.interval.low)} to {score_text(task.interval.high)}",
        quality=score_text(metric["forgetting_quality"]) if metric else "",
        ceiling=score_text(metric["ceiling"]) if metric else "",
        utility=utility,
    )


def originals_text(found: OriginalsView) -> str:
    """Return the part of a score's error that the draw of the originals adds, as a sentence."""
    return (
        f"Mean over {found.degrees + 1} original models: their draw adds a standard error of "
        f"{score_text(found.standard_error)}, with {count_text(found.degrees, 'degree')} of freedom; "
        "the interval of the score covers it."
    )
