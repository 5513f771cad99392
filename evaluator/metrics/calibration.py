"""The best and the worst possible score: ceiling, floor and the score relative to the ceiling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.metrics.pool import Pool
from lethe.evaluator.metrics.quality import Rule
from lethe.evaluator.metrics.score import Score, evaluate
from lethe.evaluator.metrics.uncertainty import interval, jackknife_error


@dataclass(frozen=True)
class NormalisedQuality:
    """F / F_ceiling with the 95% interval of that ratio; about 1 for a submission no worse than retraining."""

    value: float
    standard_error: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Reference scores of one oracle bank: a second pool of oracles, and a submission that does nothing."""

    ceiling: Score
    floor: Score | None

    def normalise(self, score: Score) -> NormalisedQuality | None:
        """`score`'s forgetting quality relative to the ceiling's, paired over the oracles both were scored against.

        None where the ceiling is zero, also if only without one of the groups: then the ratio or its interval is
        undefined. Raises ValueError for scores of different rules, oracles or groups.
        """
        ceiling = self.ceiling
        if (score.rule, score.oracles, len(score.replicates)) != (
            ceiling.rule,
            ceiling.oracles,
            len(ceiling.replicates),
        ):
            raise ValueError("a score is normalised by a ceiling of the same rule, oracle bank and number of groups")
        if ceiling.forgetting_quality == 0 or not ceiling.quality_replicates.all():
            return None
        value = score.forgetting_quality / ceiling.forgetting_quality
        error = float(jackknife_error(score.quality_replicates / ceiling.quality_replicates))
        return NormalisedQuality(value, error, interval(value, error, len(score.replicates) - 1))


def calibrate(
    retrained: Pool,
    second: Pool,
    *,
    untouched: Pool | None = None,
    rule: Rule = "exact",
    cap_ratios: bool = True,
    identities: ArrayLike | None = None,
) -> Calibration:
    """The ceiling, by scoring the `second` pool of oracles like a submission, and the floor from `untouched` runs.

    Arguments and errors as for `evaluate`. The ceiling is below 1 because the attacks are chosen after seeing the
    margins: two pools of the same distribution always differ somewhere.
    """
    ceiling = evaluate(second, retrained, rule=rule, cap_ratios=cap_ratios, identities=identities)
    floor = None
    if untouched is not None:
        floor = evaluate(untouched, retrained, rule=rule, cap_ratios=cap_ratios, identities=identities)
    return Calibration(ceiling, floor)


def untouched_pool(
    original_margins: ArrayLike,
    runs: int,
    *,
    retain_accuracy: float | None = None,
    test_accuracy: float | None = None,
    forget_accuracy: float | None = None,
) -> Pool:
    """The pool of `runs` runs that all return the original model; `original_margins`: (E,)."""
    margins = np.asarray(original_margins, dtype=np.float64)
    if margins.ndim != 1:
        raise ValueError(f"the original model's margins must have the shape (examples,), not {margins.shape}")
    return Pool(
        margins=np.tile(margins, (runs, 1)),
        retain_accuracy=None if retain_accuracy is None else np.full(runs, retain_accuracy),
        test_accuracy=None if test_accuracy is None else np.full(runs, test_accuracy),
        forget_accuracy=None if forget_accuracy is None else np.full(runs, forget_accuracy),
    )
