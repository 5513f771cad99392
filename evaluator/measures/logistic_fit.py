"""Logistic regressions on one feature, one for each column of a matrix, all of them at once."""

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import NDArray

from lethe.evaluator.metrics.pool import Floats

_STEPS = 100
_HALVINGS = 30
_TOLERANCE = 1e-10


def fit_logistic(values: Floats, members: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Slopes and intercepts, each (E,), of the regression of `members` (n,), 1 or 0, on each column of `values` (n, E).

    The minimum of Σ log(1 + exp(−y (slope · value + intercept))) + slope²/2 with y = ±1: that of scikit-learn's
    LogisticRegression with its defaults, within 1e-6. Newton's steps, halved where one would go up.
    """
    centre, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    features = (values - centre) / scale
    targets = members.astype(np.float64)[:, None]
    penalty = scale**-2  # of the slope on standardised features
    slope, intercept = np.zeros_like(centre), np.zeros_like(centre)
    loss = _loss(features, targets, penalty, slope, intercept)
    for _ in range(_STEPS):
        step = _newton_step(features, targets, penalty, slope, intercept)
        size = np.ones_like(centre)
        for _ in range(_HALVINGS):
            moved = slope + size * step[0], intercept + size * step[1]
            reached = _loss(features, targets, penalty, *moved)
            rises = reached > loss + _TOLERANCE
            if not rises.any():
                break
            size[rises] /= 2
        (slope, intercept), loss = moved, reached
        if max(np.abs(step[0]).max(), np.abs(step[1]).max()) < _TOLERANCE:
            break
    return slope / scale, intercept - slope / scale * centre


def call_members(values: Floats, fit: tuple[Floats, Floats]) -> NDArray[np.bool_]:
    """(n, E) True where a regression by `fit_logistic` takes a value for a member's."""
    called: NDArray[np.bool_] = values * fit[0] + fit[1] > 0
    return called


def _loss(features: Floats, targets: Floats, penalty: Floats, slope: Floats, intercept: Floats) -> Floats:
    """(E,) what is minimised."""
    score = features * slope + intercept
    total: Floats = np.logaddexp(0, score).sum(axis=0) - (targets * score).sum(axis=0) + penalty * slope**2 / 2
    return total


def _newton_step(
    features: Floats, targets: Floats, penalty: Floats, slope: Floats, intercept: Floats
) -> tuple[Floats, Floats]:
    """Steps of slopes and intercepts, each (E,), to the minimum of the parabola that touches the loss."""
    chance = scipy.special.expit(features * slope + intercept)
    excess = targets - chance
    weight = chance * (1 - chance)
    total = np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
    middle = np.einsum("ne,ne->e", weight, features) / total
    curvature = np.einsum("ne,ne,ne->e", weight, features, features) - total * middle**2 + penalty
    pull = excess.sum(axis=0)
    by_slope = (np.einsum("ne,ne->e", excess, features) - penalty * slope - middle * pull) / curvature
    return by_slope, pull / total - middle * by_slope
