"""Certificates: Clopper–Pearson lower bounds on epsilon and mu, with attacks chosen and judged on different models."""

from collections.abc import Callable

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import ArrayLike

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import NOT_NEGATIVE, measure
from lethe.evaluator.metrics.exact import DELTA, LEVEL, clopper_pearson
from lethe.evaluator.metrics.pool import Floats, checked_pair

Bounds = Callable[[Floats, Floats, Floats], Floats]
"""Lower bounds (kinds, T) from two sorted pools and thresholds (T,)."""


def epsilon_lower_bound(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) float64 ≥ 0: with 95% confidence per example, no smaller epsilon describes the two pools (δ = 1e-5).

    `unlearned` (M, E), `retrained` (N, E) margins, M, N ≥ 4. Models with even index choose the threshold, the side and
    the direction; those with odd index give the two rates, 97.5% a side. Perfect separation certifies 4.23 at N = 512
    and 2.10 at N = 64. Unlike the score's epsilon this has no selection bias, but it sees only what one threshold
    shows. Raises ValueError on wrong shapes, non-finite margins or smaller pools.
    """
    return _held_out(unlearned, retrained, _epsilon_bounds)


def gaussian_mu(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) float64 ≥ 0: with 95% confidence per example, no smaller mu of Gaussian differential privacy is possible.

    `unlearned` (M, E), `retrained` (N, E) margins, M, N ≥ 4. The bound is Φ⁻¹(1 − FPR) − Φ⁻¹(FNR) with upper bounds of
    both rates, 97.5% each; threshold and direction are chosen as for `epsilon_lower_bound`. Perfect separation gives
    4.38 at N = 512. It assumes that the pools are no further apart than two unit normals mu apart, at every threshold:
    Nasr et al., "Tight auditing of differentially private machine learning" (2023). Raises ValueError on
    wrong shapes, non-finite margins or smaller pools.
    """
    return _held_out(unlearned, retrained, _mu_bounds)


def _held_out(unlearned: ArrayLike, retrained: ArrayLike, bounds: Bounds) -> Floats:
    """(E,) the bound, at least 0, on models with odd index of the attack that is best on those with even index."""
    ours, theirs = checked_pair(unlearned, retrained)
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("the lower bound needs at least 4 runs and 4 oracles")
    result = np.empty(ours.shape[1])
    for e in range(len(result)):
        chooser, judge = [(np.sort(ours[half::2, e]), np.sort(theirs[half::2, e])) for half in (0, 1)]
        values = np.unique(np.concatenate(chooser))
        # Halfway between two margins, a threshold that separates one half is likeliest to separate the other, too.
        thresholds = np.append((values[:-1] + values[1:]) / 2, np.inf)
        promises = bounds(*chooser, thresholds)
        kind, best = np.unravel_index(np.argmax(promises), promises.shape)
        result[e] = max(0.0, bounds(*judge, thresholds[best : best + 1])[kind, 0])
    return result


def _rate_bounds(pool: Floats, thresholds: Floats) -> tuple[Floats, Floats]:
    """Lower and upper bounds, each (T,), of the rate of `margin ≥ threshold` in a sorted pool."""
    above = len(pool) - np.searchsorted(pool, thresholds)
    low, high = clopper_pearson(len(pool), LEVEL)
    return low[above], high[above]


def _epsilon_bounds(ours: Floats, theirs: Floats, thresholds: Floats) -> Floats:
    """(4, T) lower bounds on epsilon by the attack `margin ≥ threshold` and its complement, for either pool."""
    (q_low, q_high), (p_low, p_high) = _rate_bounds(ours, thresholds), _rate_bounds(theirs, thresholds)
    numerators = np.stack((p_low, q_low, 1 - p_high, 1 - q_high)) - DELTA
    denominators = np.stack((q_high, p_high, 1 - q_low, 1 - p_low))
    ratios: Floats = np.log(np.where(numerators > 0, numerators, denominators) / denominators)
    return ratios


def _mu_bounds(ours: Floats, theirs: Floats, thresholds: Floats) -> Floats:
    """(2, T) lower bounds on mu by the attack that calls `margin ≥ threshold` a run, or else an oracle."""
    (q_low, q_high), (p_low, p_high) = _rate_bounds(ours, thresholds), _rate_bounds(theirs, thresholds)
    quantile = scipy.special.ndtri
    bounds: Floats = np.stack((quantile(q_low) - quantile(p_high), quantile(p_low) - quantile(q_high)))
    return bounds


@measure(
    "epsilon_lower_bound",
    title="Certified lower bound on epsilon",
    question="Can the runs be told from oracles?",
    scope="image",
    best="oracles",
    source="Clopper–Pearson bounds, the attack chosen on other networks",
    within=NOT_NEGATIVE,
)
def _epsilon_lower_bound(inputs: MeasureInputs) -> Floats:
    return epsilon_lower_bound(*inputs.forget)


@measure(
    "gaussian_mu",
    title="Certified lower bound on mu, assumes GDP",
    symbol="μ",
    question="Can the runs be told from oracles?",
    scope="image",
    best="oracles",
    source="Nasr et al. 2023, held-out rates with Clopper–Pearson bounds",
    within=NOT_NEGATIVE,
)
def _gaussian_mu(inputs: MeasureInputs) -> Floats:
    return gaussian_mu(*inputs.forget)
