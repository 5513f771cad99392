"""A certificate: Clopper–Pearson lower bounds on epsilon, with attacks chosen and judged on different models."""

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measure
from lethe.evaluator.metrics.exact import DELTA, LEVEL, clopper_pearson
from lethe.evaluator.metrics.pool import Floats, checked_pair


def epsilon_lower_bound(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) float64 ≥ 0: with 95% confidence per example, no smaller epsilon describes the two pools (δ = 1e-5).

    `unlearned` (M, E), `retrained` (N, E) margins, M, N ≥ 4. Models with even index choose the threshold, the side and
    the direction; those with odd index give the two rates, 97.5% a side. Perfect separation certifies 4.23 at N = 512
    and 2.10 at N = 64. Unlike the score's epsilon this has no selection bias, but it sees only what one threshold
    shows. Raises ValueError on wrong shapes, non-finite margins or smaller pools.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("the lower bound needs at least 4 runs and 4 oracles")
    result = np.empty(ours.shape[1])
    for e in range(len(result)):
        chooser, judge = [(np.sort(ours[half::2, e]), np.sort(theirs[half::2, e])) for half in (0, 1)]
        values = np.unique(np.concatenate(chooser))
        # Halfway between two margins, a threshold that separates one half is likeliest to separate the other, too.
        thresholds = np.append((values[:-1] + values[1:]) / 2, np.inf)
        promises = _bounds(*chooser, thresholds)
        kind, best = np.unravel_index(np.argmax(promises), promises.shape)
        result[e] = max(0.0, _bounds(*judge, thresholds[best : best + 1])[kind, 0])
    return result


def _bounds(ours: Floats, theirs: Floats, thresholds: Floats) -> Floats:
    """(4, T) lower bounds on epsilon by the attack `margin ≥ threshold` and its complement, for either pool."""
    above_ours = len(ours) - np.searchsorted(ours, thresholds)
    above_theirs = len(theirs) - np.searchsorted(theirs, thresholds)
    q_low, q_high = (bound[above_ours] for bound in clopper_pearson(len(ours), LEVEL))
    p_low, p_high = (bound[above_theirs] for bound in clopper_pearson(len(theirs), LEVEL))
    numerators = np.stack((p_low, q_low, 1 - p_high, 1 - q_high)) - DELTA
    denominators = np.stack((q_high, p_high, 1 - q_low, 1 - p_low))
    ratios: Floats = np.log(np.where(numerators > 0, numerators, denominators) / denominators)
    return ratios


@measure(
    "epsilon_lower_bound",
    title="Certified lower bound on epsilon",
    question="Can the runs be told from oracles?",
    scope="image",
    best="oracles",
    source="Clopper–Pearson bounds, the attack chosen on other networks",
)
def _epsilon_lower_bound(inputs: MeasureInputs) -> Floats:
    return epsilon_lower_bound(*inputs.forget)
