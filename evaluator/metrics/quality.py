"""From epsilon to forgetting quality: what each rule pays for an example that the attacks tell apart this well."""

from math import ceil, floor, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.metrics.competition import competition_epsilon
from lethe.evaluator.metrics.exact import exact_epsilon, exact_limit
from lethe.evaluator.metrics.pool import Floats

Rule = Literal["exact", "competition"]

_BIN_WIDTH = 0.5


def epsilon(unlearned: ArrayLike, retrained: ArrayLike, *, rule: Rule) -> Floats:
    """(E,) float64 epsilon by `rule`; arguments and errors as for `competition_epsilon` and `exact_epsilon`."""
    return competition_epsilon(unlearned, retrained) if rule == "competition" else exact_epsilon(unlearned, retrained)


def example_quality(epsilon: ArrayLike, *, rule: Rule, runs: int, oracles: int) -> Floats:
    """(E,) float64 in [0, 1]: 1 for epsilon 0, falling to 0 for what the rule holds to be perfect separation.

    `competition`: H = 2^−(index of the bin of width 0.5), 0 beyond the last bin; metric document of the 2023
    challenge, with the number of bins of its code. `exact`: (4^−ε − 4^−limit) / (1 − 4^−limit), the same slope
    without bins. `epsilon`: (E,), ≥ 0. Raises ValueError on NaN, negative values or pools that are too small.
    """
    values = np.asarray(epsilon, dtype=np.float64)
    if values.ndim != 1 or not (values >= 0).all():
        raise ValueError("epsilon must be a vector of values that are at least 0")
    if rule == "competition":
        bins = competition_bins(runs)
        index = np.minimum(np.floor(values / _BIN_WIDTH), bins)
        binned: Floats = np.where(index < bins, np.exp2(-index), 0.0)
        return binned
    worst = 4.0 ** -exact_limit(runs, oracles)
    if worst == 1:
        raise ValueError(f"{runs} runs and {oracles} oracles are too few: no separation could be established")
    smooth: Floats = np.clip((4.0**-values - worst) / (1 - worst), 0.0, 1.0)
    return smooth


def forgetting_quality(epsilon: ArrayLike, *, rule: Rule, runs: int, oracles: int) -> float:
    """F in [0, 1], the mean of `example_quality`; raises ValueError as that does, and when there is no example."""
    values = example_quality(epsilon, rule=rule, runs=runs, oracles=oracles)
    if not values.size:
        raise ValueError("forgetting quality needs at least one example")
    return float(values.mean())


def competition_bins(runs: int) -> int:
    """Number of bins of width 0.5 that pay anything: 6, 10 and 14 for N = 16, 64 and 512; needs N ≥ 2."""
    if runs < 2:
        raise ValueError("the competition rule needs at least 2 runs")
    return floor(ceil(log(runs - 1)) / _BIN_WIDTH)
