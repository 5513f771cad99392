"""How well readings of measures order pools of networks: the area under the ROC curve, and its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.measures.registry import Measure, Value
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.metrics.uncertainty import jackknife_error, t_quantile

POOL_GROUPS = 4
"""Groups of networks in a pool: with 20 groups of 8 networks, pools have 32."""


@dataclass(frozen=True, eq=False)
class Draws:
    """B draws of pools, each a union of groups of networks; network i of a level belongs to group i mod `groups`.

    `banks`: (B, 2 · POOL_GROUPS) groups of oracles, first those that the pools are measured against, then the second
    pool. `pools`: (B, P, POOL_GROUPS) groups of the networks of any level; the P pools of a draw are disjoint.
    """

    groups: int
    banks: NDArray[np.int64]
    pools: NDArray[np.int64]

    def members(self, groups: NDArray[np.int64], models: int) -> tuple[int, ...]:
        """The numbers of the networks in these groups, of `models` networks, ascending."""
        return tuple(np.flatnonzero(np.isin(np.arange(models) % self.groups, groups)).tolist())

    def pairs_without(self, group: int) -> NDArray[np.bool_]:
        """(B, P, P) the pairs of pools in which no network and no oracle is of this group."""
        bank = (self.banks != group).all(axis=1)
        pool = (self.pools != group).all(axis=2)
        pairs: NDArray[np.bool_] = bank[:, None, None] & pool[:, :, None] & pool[:, None, :]
        return pairs


def draw_pools(groups: int, draws: int, seed: int = 0) -> Draws:
    """As many draws, in each of which every group is in one pool. Raises ValueError for 8 groups or fewer, or when
    pools do not take all of them.

    Banks go round the groups, so that each of these is left out about equally often.
    """
    if groups <= 2 * POOL_GROUPS or groups % POOL_GROUPS:
        raise ValueError(f"{groups} groups: give a multiple of {POOL_GROUPS} above {2 * POOL_GROUPS}")
    starts = np.array([round(place * groups / draws) for place in range(draws)])
    generator = np.random.default_rng(seed)
    return Draws(
        groups=groups,
        banks=(starts[:, None] + np.arange(2 * POOL_GROUPS)) % groups,
        pools=np.stack([generator.permutation(groups).reshape(-1, POOL_GROUPS) for _ in range(draws)]),
    )


def direction(measure: Measure, oracles: float, untouched: float) -> int:
    """1 where a higher reading is worse, −1 where a lower one is, 0 where nothing is.

    For `low` and `high` that is plain. Where the `oracles`' value is best, the reading is one-sided: worse is towards
    the untouched network's value. Hosts are told to read these measures so, and knowledge lies on the way from an
    oracle to the original network. The distance from the oracles' value to either side would ask whether pools differ,
    which networks of another recipe do without knowing anything, and it adds the noise of the oracles' own reading to
    both pools. An area below one half therefore means that a measure moves away from the untouched network. A measure
    that reads the same for both sees nothing: all pools tie. Where both read nearly the same, as test accuracies may,
    chance decides the side.
    """
    if measure.best == "oracles":
        return int(np.sign(untouched - oracles))
    return {"low": 1, "high": -1, "none": 0}[measure.best]


def auc(knowing: Floats, ignorant: Floats, draws: Draws) -> Value:
    """P(a knowing pool reads higher than an ignorant one measured against the same oracles), ties half.

    `knowing` and `ignorant`: (B, P) readings, larger where worse. The interval is t times the jackknife's error, each
    group of networks and oracles left out at once, within [0, 1]; without one where some group is in all pairs. Pools
    share networks, so pairs are no independent trials, but groups are. In 1,500 simulations each (16 draws of 20
    groups, readings that are means over networks) the interval missed an area of 0.50 in 6% of cases, one of 0.76 in
    9% and one of 0.92 in 13%. Where all pairs agree it has no width, although more networks might still disagree.
    """
    wins = (1 + np.sign(knowing[:, :, None] - ignorant[:, None, :])) / 2  # (B, P, P)
    value = float(wins.mean())
    kept = [draws.pairs_without(group) for group in range(draws.groups)]
    if not all(pairs.any() for pairs in kept):
        return Value(value)
    replicates = [wins[pairs].mean() for pairs in kept]
    half = t_quantile(draws.groups - 1) * float(jackknife_error(replicates))
    return Value(value, max(0.0, value - half), min(1.0, value + half))


def tells(found: Value) -> bool:
    """Whether a measure tells the level from 0%: the interval of its area lies above one half."""
    return found.low is not None and found.low > 0.5


def fires(found: Value) -> bool:
    """Whether a measure sees a difference, to either side: the interval lies beside one half."""
    return tells(found) or (found.high is not None and found.high < 0.5)
