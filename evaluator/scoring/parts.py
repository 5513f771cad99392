"""The score of an evaluation from those of its parts, and the document that keeps what each gave."""

from collections.abc import Sequence
from math import inf
from typing import Any

from pydantic import Field

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.parts import Part, is_combined
from lethe.evaluator.contract.specification import CompetitionSpec, MetricSpec
from lethe.evaluator.metrics import CombinedScore, PartScore, Score, combine, require_ceiling
from lethe.evaluator.scoring.reference_set import ReferenceSet


class TaskBreakdown(Contract):
    """What one task gave: `score` is normalised, the other numbers are as they were measured."""

    name: str
    share: float
    score: float
    interval: tuple[float, float]
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    ceiling: float | None = Field(description="The ceiling's forgetting quality; null where scores are not normalised")


class OriginalsBreakdown(Contract):
    """What the draw of the originals adds: the score from each, and the standard error of their mean."""

    scores: tuple[float, ...]
    standard_error: float
    degrees: int


class Breakdown(Contract):
    """What tasks and originals gave; `tasks` is empty in a competition without, `originals` None with one."""

    tasks: tuple[TaskBreakdown, ...]
    originals: OriginalsBreakdown | None


def combined_score(
    spec: CompetitionSpec, metric: MetricSpec, scored: Sequence[tuple[Part, ReferenceSet, Score]]
) -> Score | CombinedScore:
    """Return the score over all parts: the score itself where there is one part and no task is named.

    Raises CeilingZero as `combine` does.
    """
    if not is_combined(spec):
        return scored[0][2]
    return combine(
        [
            PartScore(
                task=part.name,
                weight=part.weight,
                original=part.original,
                score=score,
                ceiling=reference_set.ceiling if spec.tasks else None,
            )
            for part, reference_set, score in scored
        ],
        most=1.0 if metric.cap_ratios and not spec.tasks else inf,
    )


def require_ceilings(spec: CompetitionSpec, found: Sequence[tuple[Part, ReferenceSet]]) -> None:
    """Raise CeilingZero, which names the task, unless the scores of every task can be divided by its ceiling."""
    for part, reference_set in found if spec.tasks else ():
        require_ceiling(part.name, reference_set.ceiling)


def breakdown(score: Score | CombinedScore) -> dict[str, Any] | None:
    """Return what tasks and originals gave as a document; None of a score of one part."""
    if isinstance(score, Score):
        return None
    tasks = [
        TaskBreakdown(
            name=task.name,
            share=task.share,
            score=task.final_score,
            interval=task.interval,
            forgetting_quality=task.forgetting_quality,
            retain_ratio=task.retain_ratio,
            test_ratio=task.test_ratio,
            ceiling=task.ceiling,
        )
        for task in score.tasks
        if task.name
    ]
    between = score.originals
    originals = None
    if between is not None:
        originals = OriginalsBreakdown(
            scores=between.scores, standard_error=between.standard_error, degrees=between.degrees
        )
    return Breakdown(tasks=tuple(tasks), originals=originals).model_dump(mode="json")
