"""Attacks and divergences on the distributions of margins: U-LiRA and KLoM."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.registry import NOT_NEGATIVE, RATE, measure
from lethe.evaluator.metrics.pool import Floats, checked_pair

KLOM_CLIP = 100.0
KLOM_BINS = 20
KLOM_FLOOR = 1e-5
_MIN_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class LikelihoodAttack:
    """Balanced accuracy in [0, 1] per example, (E,), and its mean; 0.5 is guessing."""

    accuracy: Floats
    mean_accuracy: float


def u_lira(unlearned: ArrayLike, retrained: ArrayLike) -> LikelihoodAttack:
    """The likelihood ratio attack of Hayes et al., "Inexact unlearning needs more careful evaluations" (2024).

    `unlearned` (M, E), `retrained` (N, E) float64 margins, M, N ≥ 4. Normal distributions are fitted to every second
    model of each pool; the other models are called unlearned when that likelihood is larger, ties half. Then the halves
    swap roles. Raises ValueError on wrong shapes, non-finite values or smaller pools.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("U-LiRA needs at least 4 runs and 4 oracles")
    halves = []
    for fit in (0, 1):
        ratio_ours = _log_ratio(ours[1 - fit :: 2], ours[fit::2], theirs[fit::2])
        ratio_theirs = _log_ratio(theirs[1 - fit :: 2], ours[fit::2], theirs[fit::2])
        hits = (1 + np.sign(ratio_ours)).mean(axis=0) / 2
        rejections = (1 - np.sign(ratio_theirs)).mean(axis=0) / 2
        halves.append((hits + rejections) / 2)
    accuracy = np.mean(halves, axis=0)
    return LikelihoodAttack(accuracy, float(accuracy.mean()))


def klom(unlearned: ArrayLike, retrained: ArrayLike) -> Floats:
    """(E,) KL divergence in nats, ≥ 0, of the runs' binned margins from the oracles'; 0 is best.

    `unlearned` (M, E), `retrained` (N, E). Margins are clipped to ±100 and put into 20 equal bins from the pooled
    minimum to the pooled maximum; the oracles' share is raised to 1e-5 where the runs have any, then renormalised.
    Georgiev et al., "Attribute-to-Delete" (2024). The benchmark's code (RoyRin/data-unlearning-bench) drops the pooled
    maximum when it digitises; here it belongs to the last bin. Constant equal pools give 0. Raises ValueError on wrong
    shapes or non-finite margins.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    ours, theirs = np.clip(ours, -KLOM_CLIP, KLOM_CLIP), np.clip(theirs, -KLOM_CLIP, KLOM_CLIP)
    low = np.minimum(ours.min(axis=0), theirs.min(axis=0))
    high = np.maximum(ours.max(axis=0), theirs.max(axis=0))
    result = np.zeros(ours.shape[1])
    for e in np.flatnonzero(high > low):
        edges = np.linspace(low[e], high[e], KLOM_BINS + 1)
        p = np.histogram(ours[:, e], edges)[0] / len(ours)
        q = np.histogram(theirs[:, e], edges)[0] / len(theirs)
        inside = p > 0
        q = np.where(inside, np.maximum(q, KLOM_FLOOR), q)
        result[e] = max(0.0, float((p[inside] * np.log(p[inside] / (q[inside] / q.sum()))).sum()))
    return result


def normal_fit(margins: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each image, (N, E) -> (E,) and (E,); the deviation is at least 1e-6."""
    return margins.mean(axis=0), np.maximum(margins.std(axis=0, ddof=1), _MIN_DEVIATION)


def _log_ratio(values: Floats, ours: Floats, theirs: Floats) -> Floats:
    """Log likelihood of `values` under a normal fit of `ours` minus that under a fit of `theirs`, (n, E)."""
    (our_mean, our_deviation), (their_mean, their_deviation) = normal_fit(ours), normal_fit(theirs)
    ours_off, theirs_off = (values - our_mean) / our_deviation, (values - their_mean) / their_deviation
    ratio: Floats = (theirs_off**2 - ours_off**2) / 2 + np.log(their_deviation / our_deviation)
    return ratio


@measure(
    "u_lira",
    title="Likelihood ratio attack, accuracy",
    symbol="U-LiRA",
    question="Can the runs be told from oracles?",
    scope="pool",
    best="oracles",
    source="Hayes et al. 2024, here for one original model and one forget set",
    within=RATE,
)
def _u_lira(inputs: MeasureInputs) -> float:
    return u_lira(*inputs.forget).mean_accuracy


@measure(
    "klom",
    title="KL divergence of margins",
    symbol="KLoM",
    unit="nats",
    question="Can the runs be told from oracles?",
    scope="image",
    best="oracles",
    source="Georgiev et al. 2024",
    within=NOT_NEGATIVE,
)
@shared
def image_klom(inputs: MeasureInputs) -> Floats:
    """(E,) KLoM of the forget images."""
    return klom(*inputs.forget)
