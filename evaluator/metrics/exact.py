"""The `exact` rule: epsilon by the best block of margins, with Clopper–Pearson bounds for the rates."""

from functools import lru_cache

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.pool import Floats, checked_pair

DELTA = 1e-5
LEVEL = 0.95

_EXAMPLES_AT_ONCE = 256


def exact_epsilon(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) float64 epsilon in [0, `exact_limit`] per forget example, larger when the pools differ more.

    `unlearned`: (M, E), `retrained`: (N, E) float64 margins; M and N may differ. The attacks are all blocks of
    consecutive distinct pooled margins, half-lines included, and their complements. Only the order of the margins
    matters, so strictly monotone transforms per example change nothing; nor does swapping the pools.
    The bounds hold for one block at a time, and the supremum picks the luckiest block: epsilon is a score, not a
    certificate. Raises ValueError on wrong shapes or non-finite margins.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    ours, theirs = np.sort(ours, axis=0), np.sort(theirs, axis=0)
    result = np.empty(ours.shape[1])
    for start in range(0, len(result), _EXAMPLES_AT_ONCE):
        chunk = slice(start, start + _EXAMPLES_AT_ONCE)
        result[chunk] = _chunk(ours[:, chunk], theirs[:, chunk])
    return result


def exact_limit(runs: int, oracles: int) -> float:
    """Epsilon of pools of these sizes that one threshold separates perfectly: the largest possible."""
    return float(_epsilon_table(oracles, runs)[oracles, 0])


def _chunk(ours: Floats, theirs: Floats) -> Floats:
    """Epsilon for a few examples at a time; both pools sorted along the runs.

    Epsilon grows when a block keeps its oracles and loses unlearned runs (or the reverse). The best block that favours
    the oracles therefore begins and ends at an oracle, and among those with k oracles the one with the fewest
    unlearned runs wins; exchanging the pools gives the other half of the attacks.
    """
    table = _epsilon_table(len(theirs), len(ours))
    oracles = np.arange(1, len(theirs) + 1)[:, None]
    runs = np.arange(1, len(ours) + 1)[:, None]
    favouring_oracles = table[oracles, _fewest_others(theirs, ours)]
    favouring_runs = table[_fewest_others(ours, theirs), runs]
    best: Floats = np.maximum(favouring_oracles.max(axis=0), favouring_runs.max(axis=0))
    return best


def _fewest_others(kept: Floats, others: Floats) -> NDArray[np.integer]:
    """(n, E) fewest margins of `others` in a block with exactly 1, …, n margins of `kept`.

    Where ties leave no block with exactly that many, the answer is len(others) + 1. Both arrays are sorted, (n, E)
    and (m, E).
    """
    n, examples = kept.shape
    impossible = len(others) + 1
    dtype = np.int16 if 3 * impossible < np.iinfo(np.int16).max else np.int32
    before = np.empty((n, examples), dtype)
    upto = np.empty((n, examples), dtype)
    for e in range(examples):
        column, other = np.ascontiguousarray(kept[:, e]), np.ascontiguousarray(others[:, e])
        before[:, e] = np.searchsorted(other, column, side="left")
        upto[:, e] = np.searchsorted(other, column, side="right")
    # A block takes all margins of one value or none: it begins at the first and ends at the last of a tie.
    tied = kept[1:] == kept[:-1]
    before[1:][tied] = -impossible
    upto[:-1][tied] = 2 * impossible
    fewest = np.empty((n, examples), dtype)
    work = np.empty((n, examples), dtype)
    for k in range(1, n + 1):
        inside = work[: n - k + 1]
        np.subtract(upto[k - 1 :], before[: n - k + 1], out=inside)
        np.minimum.reduce(inside, axis=0, out=fewest[k - 1])
    return np.minimum(fewest, impossible, out=fewest)


@lru_cache(maxsize=8)
def _epsilon_table(oracles: int, runs: int) -> Floats:
    """(oracles + 2, runs + 2) epsilon of a block with these counts inside; the last row and column are zero."""
    oracle_low, oracle_high = clopper_pearson(oracles, LEVEL)
    run_low, run_high = clopper_pearson(runs, LEVEL)
    p_low, p_high = oracle_low[:, None], oracle_high[:, None]
    q_low, q_high = run_low[None, :], run_high[None, :]
    table = np.zeros((oracles + 2, runs + 2))
    inside = table[:-1, :-1]
    for numerator, denominator in (
        (p_low - DELTA, q_high),
        (q_low - DELTA, p_high),
        ((1 - p_high) - DELTA, 1 - q_low),
        ((1 - q_high) - DELTA, 1 - p_low),
    ):
        # A numerator that is not positive says nothing; ratio one (epsilon zero) stands for it.
        np.maximum(inside, np.log(np.where(numerator > 0, numerator, denominator) / denominator), out=inside)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=16)
def clopper_pearson(trials: int, level: float) -> tuple[Floats, Floats]:
    """Lower and upper bounds, each (trials + 1,), of the rate behind 0, …, trials successes, two-sided at `level`.

    Clopper and Pearson, Biometrika 26 (1934) 404–413, by quantiles of the beta distribution.
    """
    if trials < 1 or not 0 < level < 1:
        raise ValueError("clopper_pearson needs at least one trial and a level between 0 and 1")
    tail = (1 - level) / 2
    successes = np.arange(trials + 1.0)
    low, high = np.zeros(trials + 1), np.ones(trials + 1)
    low[1:] = scipy.special.betaincinv(successes[1:], trials - successes[1:] + 1, tail)
    high[:-1] = scipy.special.betaincinv(successes[:-1] + 1, trials - successes[:-1], 1 - tail)
    low.setflags(write=False)
    high.setflags(write=False)
    return low, high
