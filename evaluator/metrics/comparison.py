"""Which of two submissions is better: paired differences over shared oracles, ranks and a permutation test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used

from lethe.evaluator.metrics.pool import Floats, Pool
from lethe.evaluator.metrics.quality import Rule
from lethe.evaluator.metrics.score import Score, evaluate, final_score
from lethe.evaluator.metrics.uncertainty import jackknife_error, t_quantile


@dataclass(frozen=True)
class Difference:
    """A's final score minus B's with its paired standard error and 95% interval; the t interval is not clipped."""

    difference: float
    standard_error: float
    interval: tuple[float, float]

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.interval[0] > 0 or self.interval[1] < 0


@dataclass(frozen=True)
class Comparison:
    """A paired difference beside the p-value of permuting which run belongs to which submission."""

    paired: Difference
    p_value: float
    permutations: int


def paired_difference(a: Score, b: Score) -> Difference:
    """The paired difference of `a` and `b`, both scored against the same oracle bank with the same rule.

    Groups left out together share their oracles, so the oracles' contribution to both scores cancels. It is cheap: the
    replicates are stored. Raises ValueError for scores of different rules, versions or groups.
    """
    _check_comparable((a, b))
    return replicate_difference(a.final_score, a.replicates, b.final_score, b.replicates)


def replicate_difference(final_a: float, replicates_a: Floats, final_b: float, replicates_b: Floats) -> Difference:
    """`paired_difference` from stored values: final scores and replicates (G,), of one bank and rule."""
    error = float(jackknife_error(replicates_a - replicates_b))
    difference = final_a - final_b
    half = t_quantile(len(replicates_a) - 1) * error
    return Difference(difference, error, (difference - half, difference + half))


def p_value(found: Difference, degrees: int) -> float:
    """Two-sided p-value of a difference by Student's t; one without an error differs for sure, or not at all."""
    if found.standard_error == 0:
        return float(found.difference == 0)
    return 2 * float(scipy.special.stdtr(degrees, -abs(found.difference) / found.standard_error))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values that hold for all tests together, in the order of `p_values`; Holm, Scand. J. Statist. 6 (1979) 65-70.

    The k-th smallest of n is multiplied by n - k + 1; none is smaller than one before it, nor larger than 1.
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def ranks(scores: Sequence[Score]) -> tuple[int, ...]:
    """1 + the number of submissions that are significantly better, in the order of `scores`; empty for none.

    Significance is that of `paired_difference`, without a correction for the number of teams. Raises ValueError as
    that does.
    """
    if not scores:
        return ()
    _check_comparable(scores)
    return rank_replicates(
        np.array([score.final_score for score in scores]), np.stack([score.replicates for score in scores])
    )


def rank_replicates(final: Floats, replicates: Floats, *, block: int = 512) -> tuple[int, ...]:
    """`ranks` from stored values: final scores (T,) and their replicates (T, G), all of one bank and rule.

    The variance of a difference of two rows is that of each minus twice their product, so all pairs are one matrix
    product, `block` teams at a time: 10,000 teams take a few seconds. Where rounding leaves less than 1e-12 of the
    larger variance, the two differ by a constant, and their difference has no error.
    """
    groups = replicates.shape[1]
    spread = replicates - replicates.mean(axis=1, keepdims=True)  # (T, G)
    squares = (spread**2).sum(axis=1)  # (T,)
    quantile = t_quantile(groups - 1)
    result: list[int] = []
    for start in range(0, len(final), block):
        rows = slice(start, start + block)
        variance = squares[None] + squares[rows, None] - 2 * spread[rows] @ spread.T  # (block, T)
        variance[variance < 1e-12 * np.maximum(squares[None], squares[rows, None])] = 0.0
        error = np.sqrt((groups - 1) / groups * variance)
        lead = final[None] - final[rows, None]
        result.extend(1 + (lead - quantile * error > 0).sum(axis=1))
    return tuple(int(rank) for rank in result)


def compare(
    a: Pool,
    b: Pool,
    retrained: Pool,
    *,
    rule: Rule = "exact",
    cap_ratios: bool = True,
    permutations: int = 199,
    seed: int = 0,
) -> Comparison:
    """Whether submissions `a` and `b` differ: the paired difference, and a permutation test of the run labels.

    The p-value is (1 + number of relabellings with at least this absolute difference of the final scores) /
    (1 + `permutations`); it costs two evaluations per relabelling. Deterministic for a `seed`. Raises ValueError as
    `evaluate` does, and when the two pools have different numbers of runs.
    """
    if len(a) != len(b):
        raise ValueError(f"both submissions need the same number of runs, not {len(a)} and {len(b)}")
    if permutations < 1:
        raise ValueError("a permutation test needs at least one permutation")
    scored = [evaluate(pool, retrained, rule=rule, cap_ratios=cap_ratios) for pool in (a, b)]
    paired = paired_difference(scored[0], scored[1])
    both = a.joined(b)
    generator = np.random.default_rng(seed)
    extreme = 0
    for _ in range(permutations):
        order = generator.permutation(len(both))
        first, second = (
            final_score(both.take(rows), retrained, rule=rule, cap_ratios=cap_ratios) for rows in np.split(order, 2)
        )
        extreme += abs(first - second) >= abs(paired.difference)
    return Comparison(paired, (1 + extreme) / (1 + permutations), permutations)


def _check_comparable(scores: Sequence[Score]) -> None:
    kinds = {(score.rule, score.metric_version, score.oracles, len(score.replicates)) for score in scores}
    if len(kinds) > 1:
        raise ValueError("scores compare only under one rule, metric version, oracle bank and number of groups")
