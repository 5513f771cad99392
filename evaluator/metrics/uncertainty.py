"""Error bars: a delete-a-group jackknife over runs and oracles, and the variance between identities.

A bootstrap of runs does not cover here: a resample repeats runs, repeated runs form blocks that no independent pool
has, and a supremum over blocks notices. Leaving runs out has no such effect.
"""

from math import inf, sqrt

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.pool import Floats

GROUPS = 16
LEVEL = 0.95


def group_count(runs: int, oracles: int) -> int:
    """Number of jackknife groups: 16, or as many as the smaller pool has models."""
    return min(GROUPS, runs, oracles)


def kept_rows(models: int, group: int, groups: int) -> NDArray[np.intp]:
    """Indices of the models that stay when `group` is left out; model i belongs to group i mod `groups`."""
    kept: NDArray[np.intp] = np.flatnonzero(np.arange(models) % groups != group)
    return kept


def jackknife_error(replicates: ArrayLike) -> Floats:
    """Standard error from leave-one-group-out replicates along the last axis, (…, G) -> (…), G ≥ 2.

    sqrt((G − 1) / G · Σ (θ_g − mean θ)²); Quenouille–Tukey with groups, e.g. Wolter, Introduction to Variance
    Estimation (2007), equation 4.2.3.
    """
    values = np.asarray(replicates, dtype=np.float64)
    groups = values.shape[-1]
    if groups < 2:
        raise ValueError("the jackknife needs at least two groups")
    spread = values - values.mean(axis=-1, keepdims=True)
    error: Floats = np.sqrt((groups - 1) / groups * (spread**2).sum(axis=-1))
    return error


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t: 2.131 for 15 degrees of freedom at 95%."""
    return float(scipy.special.stdtrit(degrees, (1 + level) / 2))


def between_identity_variance(values: ArrayLike, identities: ArrayLike) -> float:
    """Variance of the mean of `values` (E,) when the identities, not the photographs, are the independent draws.

    Clusters of unequal size: I/(I − 1) · Σ_i (Σ_{e in i} (v_e − mean v))² / E², I ≥ 2 identities. It holds the noise of
    the runs as well, so adding the jackknife's variance to it errs on the wide side.
    """
    array = np.asarray(values, dtype=np.float64)
    _, member = np.unique(np.asarray(identities), return_inverse=True)
    sums = np.bincount(member, weights=array - array.mean())
    clusters = len(sums)
    if clusters < 2:
        raise ValueError("the variance between identities needs at least two identities")
    return clusters / (clusters - 1) * float((sums**2).sum()) / len(array) ** 2


def interval(estimate: float, error: float, degrees: float, *, most: float = inf) -> tuple[float, float]:
    """Two-sided 95% t interval around `estimate`, within what it can be: 0, since no score is negative, and `most`."""
    half = t_quantile(degrees) * error
    return min(max(0.0, estimate - half), most), min(max(0.0, estimate + half), most)


def combined_error(*errors: float) -> float:
    """Root of the sum of squares of independent errors."""
    return sqrt(sum(error**2 for error in errors))
