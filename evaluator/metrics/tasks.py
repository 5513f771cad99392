"""One score from several tasks and original models: the weighted mean of normalised scores, with paired replicates.

docs/adr/0020 has the reasons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.metrics.quality import Rule
from lethe.evaluator.metrics.score import Score
from lethe.evaluator.metrics.uncertainty import combined_error, interval, jackknife_error


class CeilingZero(EvaluatorError, ValueError):
    """A task's ceiling may be zero, so that no score can be divided by it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PartScore:
    """The score of the runs that one task has from one of its originals.

    `weight` is the task's, `ceiling` the score of its second pool of oracles; None: the score is not normalised.
    """

    task: str
    weight: float
    original: int
    score: Score
    ceiling: Score | None


@dataclass(frozen=True)
class BetweenOriginals:
    """What the draw of the originals adds: the final score with each, and the standard error of their mean."""

    scores: tuple[float, ...]
    standard_error: float
    degrees: int


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskScore:
    """What one task contributes; `share` is its part of all weights.

    `final_score` is normalised, with its 95% `interval`; `forgetting_quality` and the ratios are means over originals
    as they were measured, `ceiling` is the ceiling's forgetting quality, None where nothing is normalised.
    """

    name: str
    share: float
    final_score: float
    interval: tuple[float, float]
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    ceiling: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class CombinedScore:
    """A score over tasks and originals, with the fields of a `Score` that comparing it with another one needs.

    `final_score` is the weighted mean of the tasks' normalised scores, and so are `forgetting_quality`, of the
    normalised F, and the ratios: the first is not the product of the other three. `replicates` (G,) take the ceilings
    as constants, `standard_error` and `interval` (95%) cover them and the draw of the originals. `runs` and `oracles`
    are of each part.
    """

    rule: Rule
    runs: int
    oracles: int
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    final_score: float
    standard_error: float
    interval: tuple[float, float]
    replicates: Floats
    tasks: tuple[TaskScore, ...]
    originals: BetweenOriginals | None


def ceiling_bound(ceiling: Score) -> float:
    """The lower end of the 95% interval of a ceiling's forgetting quality, ≥ 0."""
    error = float(jackknife_error(ceiling.quality_replicates))
    return interval(ceiling.forgetting_quality, error, len(ceiling.replicates) - 1)[0]


def require_ceiling(task: str, ceiling: Score) -> None:
    """Raise CeilingZero unless scores of the task can be divided by its ceiling."""
    if ceiling_bound(ceiling) == 0 or not ceiling.quality_replicates.all():
        raise CeilingZero(
            f"task '{task}': its ceiling is {ceiling.forgetting_quality:.3f} with 0 in its interval, so no score can "
            "be divided by it. Raise evaluation.oracles, ceiling_oracles and runs, forget more, or leave the task out"
        )


def combine(parts: Sequence[PartScore], *, most: float = inf) -> CombinedScore:
    """The score over all parts; every task has the same originals, and all parts the same numbers of groups.

    S = Σ w_t · mean over originals of S_tk / C_t, S_tk the final score and C_t the ceiling's forgetting quality. Group
    g is left out of every part at once. `most` is the largest possible score. Raises ValueError for no parts, parts of
    different rules or groups, and CeilingZero as `require_ceiling` does.
    """
    if not parts:
        raise ValueError("a score needs at least one part")
    if len({(part.score.rule, part.score.oracles, len(part.score.replicates)) for part in parts}) > 1:
        raise ValueError("parts combine only under one rule, one number of oracles and one number of groups")
    by_task: dict[str, list[PartScore]] = {}
    for part in parts:
        by_task.setdefault(part.task, []).append(part)
        if part.ceiling is not None:
            require_ceiling(part.task, part.ceiling)
    if len({tuple(sorted(part.original for part in of_task)) for of_task in by_task.values()}) > 1:
        raise ValueError("every task needs the same originals")
    total = sum(of_task[0].weight for of_task in by_task.values())
    shares = {name: of_task[0].weight / total for name, of_task in by_task.items()}
    whole = _estimate(parts, shares)
    first = parts[0].score
    error, found_interval = whole.uncertainty(most)
    tasks = tuple(_task_score(name, of_task, shares[name], most) for name, of_task in by_task.items())
    return CombinedScore(
        rule=first.rule,
        runs=first.runs,
        oracles=first.oracles,
        forgetting_quality=sum(task.share * task.forgetting_quality / (task.ceiling or 1.0) for task in tasks),
        retain_ratio=sum(task.share * task.retain_ratio for task in tasks),
        test_ratio=sum(task.share * task.test_ratio for task in tasks),
        final_score=whole.final,
        standard_error=error,
        interval=found_interval,
        replicates=whole.replicates,
        tasks=tasks,
        originals=whole.between,
    )


@dataclass(frozen=True, eq=False)
class _Estimate:
    """`replicates` (G,) with the ceilings as constants, `with_ceilings` (G,) with theirs; `of_originals` (K,)."""

    final: float
    replicates: Floats
    with_ceilings: Floats
    of_originals: Floats

    @property
    def between(self) -> BetweenOriginals | None:
        count = len(self.of_originals)
        if count < 2:
            return None
        error = float(self.of_originals.std(ddof=1)) / sqrt(count)
        return BetweenOriginals(tuple(map(float, self.of_originals)), error, count - 1)

    def uncertainty(self, most: float) -> tuple[float, tuple[float, float]]:
        """Return the standard error and the 95% interval of runs, oracles, ceilings and originals together."""
        within, degrees = float(jackknife_error(self.with_ceilings)), float(len(self.replicates) - 1)
        error = within
        if (between := self.between) is not None and between.standard_error > 0:
            error = combined_error(within, between.standard_error)
            degrees = error**4 / (within**4 / degrees + between.standard_error**4 / between.degrees)
        return error, interval(self.final, error, degrees, most=most)


def _estimate(parts: Sequence[PartScore], shares: dict[str, float]) -> _Estimate:
    originals = sorted({part.original for part in parts})
    groups = len(parts[0].score.replicates)
    replicates, with_ceilings, values = np.zeros(groups), np.zeros(groups), np.zeros(len(originals))
    for part in parts:
        share = shares[part.task]
        ceiling = 1.0 if part.ceiling is None else part.ceiling.forgetting_quality
        left_out = 1.0 if part.ceiling is None else part.ceiling.quality_replicates
        replicates += share / len(originals) * part.score.replicates / ceiling
        with_ceilings += share / len(originals) * part.score.replicates / left_out
        values[originals.index(part.original)] += share * part.score.final_score / ceiling
    return _Estimate(float(values.mean()), replicates, with_ceilings, values)


def _task_score(name: str, parts: Sequence[PartScore], share: float, most: float) -> TaskScore:
    estimate = _estimate(parts, {name: 1.0})
    ceiling = parts[0].ceiling
    return TaskScore(
        name=name,
        share=share,
        final_score=estimate.final,
        interval=estimate.uncertainty(most)[1],
        forgetting_quality=float(np.mean([part.score.forgetting_quality for part in parts])),
        retain_ratio=float(np.mean([part.score.retain_ratio for part in parts])),
        test_ratio=float(np.mean([part.score.test_ratio for part in parts])),
        ceiling=None if ceiling is None else ceiling.forgetting_quality,
    )
