"""The `competition` rule: epsilon by the fixed grid of decision rules that the 2023 challenge published."""

from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.pool import Floats, checked_pair

DELTA = 1e-5
CAP = 50.0
MARGIN_BOUND = 1_000.0
"""Margins beyond this are refused: the grid has 100 points a unit, and log-odds end at ±103.6."""

_POINTS_PER_UNIT = 100
_PEAKY_RATIO = 0.01
_BUFFER = 2.0
_LEFT_ENDS = 400
_CELLS_AT_ONCE = 2**15
"""Right ends are taken in blocks of this many cells, so that the work stays in the processor's cache."""


def competition_epsilon(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) float64 epsilon in [0, 50] per forget example, larger when the attacks tell the pools apart better.

    `unlearned`, `retrained`: (N, E) float64 margins, the same N ≥ 2 in both. 50 means that some rule separates the
    pools perfectly, or that one range is less than a hundredth of the other. 0 where no rule survives (two equal
    constants). Raises ValueError on wrong shapes, unequal N, non-finite margins or margins beyond ±1000.
    Source: the organisers' evaluation code (google-deepmind/unlearning_evaluation) and metric document.
    """
    return np.clip(competition_supremum(unlearned, retrained), 0.0, CAP)


def competition_supremum(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """As `competition_epsilon` before clipping: inf for perfect separation, −inf where every rule was discarded."""
    ours, theirs = checked_pair(unlearned, retrained)
    if len(ours) != len(theirs):
        raise ValueError(
            f"the competition rule needs as many runs as oracles, not {len(ours)} and {len(theirs)}; "
            "the exact rule takes pools of different size"
        )
    if len(ours) < 2:
        raise ValueError("the competition rule needs at least 2 runs")
    if max(np.abs(ours).max(), np.abs(theirs).max()) > MARGIN_BOUND:
        raise ValueError(f"the competition rule takes log-odds within ±{MARGIN_BOUND:g}; these margins go beyond")
    # The published code compares strictly, so equal medians make the unlearned pool the positive one.
    oracles_positive = np.median(theirs, axis=0) > np.median(ours, axis=0)
    ours, theirs = np.sort(ours.T, axis=1), np.sort(theirs.T, axis=1)  # (E, N)
    table = _epsilon_table(ours.shape[1])
    pairs = zip(ours, theirs, oracles_positive, strict=True)
    return np.array([_example(o, u, table) if swap else _example(u, o, table) for u, o, swap in pairs])


def _example(positive: Floats, negative: Floats, table: NDArray[np.float32]) -> float:
    """Supremum over both families for one example; pools sorted, `positive` the one with the larger median."""
    positive_range, negative_range = positive[-1] - positive[0], negative[-1] - negative[0]
    smaller, larger = min(positive_range, negative_range), max(positive_range, negative_range)
    if larger > 0 and smaller / larger < _PEAKY_RATIO:
        return CAP
    by_threshold = _best_threshold(positive, negative, table)
    if positive_range < negative_range:
        return max(by_threshold, _best_interval(positive, negative, table))
    return max(by_threshold, _best_interval(negative, positive, table))


def _best_threshold(positive: Floats, negative: Floats, table: NDArray[np.float32]) -> float:
    """Best rule `margin ≥ point` over float32 points spread evenly from the smallest to the largest margin."""
    low, high = min(positive[0], negative[0]), max(positive[-1], negative[-1])
    points = np.linspace(low, high, ceil(_POINTS_PER_UNIT * (high - low))).astype(np.float32).astype(np.float64)
    if not points.size:
        return -np.inf
    runs = len(positive)
    false_negatives = np.searchsorted(positive, points)
    false_positives = runs - np.searchsorted(negative, points)
    return float(table.take(false_positives * (runs + 1) + false_negatives).max())


def _best_interval(positive: Floats, negative: Floats, table: NDArray[np.float32]) -> float:
    """Best rule `left ≤ margin ≤ right` over the grid of right ends, and 400 left ends for each of them.

    The rate table needs only how many margins of each pool lie inside, so a left end matters through the gap between
    two pooled margins that it falls into. Instead of sorting 160,000 left ends into the margins, count for every
    right end how many of its left ends lie at or before each margin: a gap is reached where that count grows.
    """
    runs = len(positive)
    pooled = np.sort(np.concatenate((positive, negative)))
    width = positive[-1] - positive[0]
    low, high = positive[0] + width - _BUFFER, positive[-1] + _BUFFER
    right = np.linspace(low, high, ceil(_POINTS_PER_UNIT * (high - low)))  # (R,)
    first, last = right - width - _BUFFER, right - width + _BUFFER
    right_gap = np.searchsorted(pooled, right, side="right")  # (R,) margins at or before the right end
    # Index of the table for "everything before this gap is inside"; differences of it address any interval.
    ranks = np.concatenate((pooled, [np.inf]))
    prefix = np.searchsorted(negative, ranks) * (runs + 1) - np.searchsorted(positive, ranks)
    best = -np.inf
    rows = max(1, _CELLS_AT_ONCE // len(pooled))
    for start in range(0, len(right), rows):
        block = slice(start, start + rows)
        gap, counts = _reached_gaps(pooled, first[block], last[block])
        end = np.repeat(right_gap[block], counts)
        # A left end beyond the right end leaves the interval empty.
        np.minimum(gap, end, out=gap)
        best = max(best, table.take(prefix[end] + runs - prefix[gap]).max())
    return float(best)


def _reached_gaps(pooled: Floats, first: Floats, last: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Gaps of `pooled` (number of margins before it) that hold a left end, (K,), and how many each right end has, (R,).

    Right end i has the left ends numpy.linspace(first[i], last[i], 400), bit for bit; its gaps stand together, in the
    order of the right ends.
    """
    steps = _LEFT_ENDS - 1
    begin, end = np.searchsorted(pooled, first[0]), np.searchsorted(pooled, last[-1], side="right")
    near = pooled[begin:end]  # (V,) the margins that left ends can lie between
    start, stop = first[:, None], last[:, None]
    step = (stop - start) / steps
    # The left end nearest to a margin follows from the spacing; comparing with that one exactly settles the count.
    nearest = near - start  # (R, V)
    nearest *= steps / (2 * _BUFFER)
    np.rint(nearest, out=nearest)
    np.clip(nearest, 0, steps, out=nearest)
    left = nearest * step
    left += start
    np.copyto(left, stop, where=nearest == steps)
    count = nearest  # left ends at or before each margin
    count += left <= near
    reached = np.empty((len(first), len(near) + 1), dtype=bool)
    if len(near):
        reached[:, 0] = count[:, 0] > 0
        np.greater(count[:, 1:], count[:, :-1], out=reached[:, 1:-1])
        reached[:, -1] = count[:, -1] < _LEFT_ENDS
    else:
        reached[:] = True
    gap = np.flatnonzero(reached)
    rows = np.arange(len(reached)) * reached.shape[1]
    counts = np.diff(np.searchsorted(gap, rows), append=len(gap))
    gap -= np.repeat(rows - begin, counts)
    return gap, counts


@lru_cache(maxsize=8)
def _epsilon_table(runs: int) -> NDArray[np.float32]:
    """Epsilon of every rule, flat and indexed by false positives · (N + 1) + false negatives.

    Rates, logarithms and their difference are float32 as in the published code; float64 would miss its answers by
    more than 1e-6 at N = 512.
    """
    rates = (np.arange(runs + 1) / runs).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = np.log(np.float32(1 - DELTA) - rates)
        log_rate = np.log(rates)
        epsilon = np.fmax(log_rest[:, None] - log_rate[None, :], log_rest[None, :] - log_rate[:, None])
    zero = rates == 0
    epsilon[zero[:, None] != zero[None, :]] = -np.inf
    epsilon[0, 0] = np.inf
    epsilon[np.isnan(epsilon)] = -np.inf
    flat: NDArray[np.float32] = epsilon.ravel()
    flat.setflags(write=False)
    return flat
