"""The score of runs on practice data against practice oracles, at home and on a worker."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.artifacts.outputs import StackedOutputs, first_of
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.evaluator.contract.specification import MetricSpec
from lethe.evaluator.metrics import evaluate
from lethe.evaluator.scoring.reference_set import pool_of

DIGITS = 6
"""Significant digits of epsilon and margins, which are many, and are only drawn."""


def needs_equal_pools(metric: MetricSpec) -> bool:
    """Whether the rule compares runs with as many oracles."""
    return metric.rule == "competition"


def score_practice(
    unlearned: StackedOutputs, retrained: StackedOutputs, labels: NDArray[np.int64], metric: MetricSpec
) -> ScoredPractice:
    """Return the score of runs against oracles; `labels`: (E,) of the forget images.

    A rule that needs equal pools takes the first oracles only. Raises ValueError as `metrics.evaluate` does.
    """
    if needs_equal_pools(metric):
        retrained = first_of(retrained, len(unlearned))
    runs, oracles = pool_of(unlearned, labels), pool_of(retrained, labels)
    score = evaluate(runs, oracles, rule=metric.rule, cap_ratios=metric.cap_ratios)
    return ScoredPractice(
        rule=score.rule,
        runs=score.runs,
        oracles=score.oracles,
        score=score.final_score,
        low=score.interval[0],
        high=score.interval[1],
        forgetting_quality=score.forgetting_quality,
        retain_ratio=score.retain_ratio,
        test_ratio=score.test_ratio,
        epsilon=_rounded(score.epsilon.tolist()),
        margins=_rounded(runs.margins.mean(axis=0).tolist()),
        oracle_margins=_rounded(oracles.margins.mean(axis=0).tolist()),
    )


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
