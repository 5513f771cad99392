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
_GAPS_AT_ONCE = 8
"""Left ends are looked up in the most promising gaps first, this many at a time; the first eight mostly decide."""


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
        return _best_interval(positive, negative, table, at_least=by_threshold)
    return _best_interval(negative, positive, table, at_least=by_threshold)


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


def _best_interval(positive: Floats, negative: Floats, table: NDArray[np.float32], at_least: float) -> float:
    """Best rule `left ≤ margin ≤ right` over the grid of right ends, and 400 left ends for each; `at_least` or more.

    What a rule gives depends only on how many pooled margins come before its left end and up to its right end. So every
    gap between two margins first gets a bound on what a left end in it could give. Whether the grid has a left end
    there is looked up for the gaps with the highest bounds only, until no other gap can give more.
    """
    runs = len(positive)
    pooled = np.sort(np.concatenate((positive, negative)))
    width = positive[-1] - positive[0]
    low, high = positive[0] + width - _BUFFER, positive[-1] + _BUFFER
    right = np.linspace(low, high, ceil(_POINTS_PER_UNIT * (high - low)))  # (R,)
    first, last = right - width - _BUFFER, right - width + _BUFFER  # (R,) the outermost left ends
    upto = np.searchsorted(pooled, right, side="right")  # (R,) margins at or before the right end
    edges = np.concatenate(([-np.inf], pooled, [np.inf]))  # g margins come before left ends in (edges[g], edges[g + 1]]
    # Index of the table for "the first g margins are inside"; differences of it address any interval.
    prefix = np.searchsorted(negative, edges[1:]) * (runs + 1) + runs - np.searchsorted(positive, edges[1:])
    bounds = _bounds(first, last, upto, edges, prefix, table)
    promising = np.argsort(-bounds)
    best = at_least
    for start in range(0, len(promising), _GAPS_AT_ONCE):
        gap = promising[start : start + _GAPS_AT_ONCE]
        if bounds[gap[0]] <= best:
            break
        before, after = left_ends_upto(edges[[gap, gap + 1]], first, last)  # (R, gaps) each
        # A left end beyond the right end leaves the interval empty.
        inside = prefix[upto, None] - prefix[np.minimum(gap, upto[:, None])] + prefix[0]
        best = max(best, float(table.take(inside)[before < after].max(initial=-np.inf)))
    return best


def _bounds(
    first: Floats,
    last: Floats,
    upto: NDArray[np.intp],
    edges: Floats,
    prefix: NDArray[np.intp],
    table: NDArray[np.float32],
) -> Floats:
    """(2 N + 1,) the most that a left end in each gap could give, with any right end whose left ends get that far.

    −inf where there is no such right end. The arguments are those of `_best_interval`.
    """
    # Right ends after the same margins give the same: they are one place, with the left ends of all of them.
    places, begin = np.unique(upto, return_index=True)
    end = np.append(begin[1:], len(upto))
    # A gap is in reach of the places since ≤ p < until. A place that is not beyond the gap leaves nothing inside.
    since = np.searchsorted(last[end - 1], edges[:-1], side="right")
    since = np.maximum(since, np.searchsorted(places, np.arange(len(prefix)), side="right"))
    until = np.searchsorted(first[begin], edges[1:], side="right")
    gaps = np.flatnonzero(since < until)
    # All pairs of gap and place in one flat array, gap by gap.
    pairs = (until - since)[gaps]
    offset = np.cumsum(pairs) - pairs
    place = np.arange(pairs.sum()) + np.repeat(since[gaps] - offset, pairs)
    inside = prefix[places][place] - np.repeat(prefix[gaps] - prefix[0], pairs)
    bounds = np.full(len(prefix), -np.inf)
    bounds[gaps] = np.maximum.reduceat(table.take(inside), offset)
    return bounds


def left_ends_upto(margins: Floats, first: Floats, last: Floats) -> Floats:
    """(…, R, V) number of left ends at or before each of `margins` (…, V), infinite ones included, for each right end.

    Right end i has the left ends numpy.linspace(first[i], last[i], 400), bit for bit.
    """
    steps = _LEFT_ENDS - 1
    margins, start, stop = margins[..., None, :], first[:, None], last[:, None]
    # The left end nearest to a margin follows from the spacing; comparing with that one exactly settles the count.
    nearest = np.clip(np.rint((margins - start) * (steps / (2 * _BUFFER))), 0, steps)
    left = np.where(nearest == steps, stop, nearest * ((stop - start) / steps) + start)
    count: Floats = nearest + (left <= margins)
    return count


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
