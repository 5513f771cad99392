"""How many networks an attack finds that is almost never wrong: true positives at 1% and 0.1% false positives."""

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import ArrayLike

from lethe.evaluator.measures.inputs import MeasureInputs, shared
from lethe.evaluator.measures.likelihood import normal_fit
from lethe.evaluator.measures.registry import PERCENT, Absent, measure
from lethe.evaluator.metrics.pool import Floats, checked_pair

RATES = {"1_percent": 0.01, "0_1_percent": 0.001}
_FALSE_POSITIVES = 10
_TINY = 1e-12


def pooled_p_values(unlearned: ArrayLike, retrained: ArrayLike) -> list[tuple[Floats, Floats]]:
    """Both halves' p-values in [0, 1] of runs and oracles, pooled over images; small is like a run.

    `unlearned` (M, E), `retrained` (N, E) float64 margins, M, N ≥ 4. As in `u_lira`, normal distributions are fitted to
    every second model and the others are judged. The p-value standardises the likelihood ratio: the probability that
    an oracle of the fit has a larger one, so that one threshold is equally strict on every image. Carlini et al.,
    "Membership inference attacks from first principles" (2022), on networks instead of images.
    Raises ValueError on wrong shapes, non-finite values or smaller pools.
    """
    ours, theirs = checked_pair(unlearned, retrained)
    if min(len(ours), len(theirs)) < 4:
        raise ValueError("p-values need at least 4 runs and 4 oracles")
    halves = []
    for fit in (0, 1):
        fits = normal_fit(ours[fit::2]), normal_fit(theirs[fit::2])
        judged = (_p_values(pool[1 - fit :: 2], *fits).ravel() for pool in (ours, theirs))
        halves.append((next(judged), next(judged)))
    return halves


def _p_values(values: Floats, ours: tuple[Floats, Floats], theirs: tuple[Floats, Floats]) -> Floats:
    """(n, E) chance that an oracle has a larger likelihood ratio than `values` (n, E), from means and deviations (E,).

    The logarithm of the ratio is a parabola, so that exactly one other margin, its mirror image, has the same ratio.
    Between the two the ratio is larger where the runs spread less than the oracles, and outside of them otherwise.
    """
    standard = (values - theirs[0]) / theirs[1]
    shift, ratio = (ours[0] - theirs[0]) / theirs[1], (ours[1] / theirs[1]) ** 2
    curvature = np.where(np.abs(1 - ratio) > _TINY, 1 - ratio, _TINY)
    mirrored = 2 * shift / curvature - standard
    between: Floats = np.abs(scipy.special.ndtr(mirrored) - scipy.special.ndtr(standard))
    return np.where(curvature > 0, between, 1 - between)


def true_positive_rate(ours: Floats, theirs: Floats, rate: float) -> float:
    """Share of `ours` (m,) below the threshold that the share `rate` of `theirs` (n,) is below; ties count in part."""
    threshold = np.partition(theirs, int(rate * len(theirs)))[int(rate * len(theirs))]
    spare = (rate - float((theirs < threshold).mean())) / float((theirs == threshold).mean())
    return float((ours < threshold).mean()) + spare * float((ours == threshold).mean())


@shared
def _halves(inputs: MeasureInputs) -> list[tuple[Floats, Floats]]:
    return pooled_p_values(*inputs.forget)


def _register(name: str, rate: float) -> None:
    @measure(
        f"tpr_at_{name}",
        title=f"True positives at {100 * rate:g}% false positives",
        unit="%",
        question="Can the runs be told from oracles?",
        scope="pool",
        best="oracles",
        source="likelihood ratios of Hayes et al. 2024, standardised and pooled over images",
        within=PERCENT,
    )
    def _true_positives(inputs: MeasureInputs) -> float:
        needed = round(_FALSE_POSITIVES / rate)
        trials = inputs.oracles * inputs.forget[1].shape[1]
        if trials < needed:
            raise Absent(f"it needs {needed:,} trials of an oracle on an image, and there are {trials:,}")
        return 100 * float(np.mean([true_positive_rate(*half, rate) for half in _halves(inputs)]))


for _name, _rate in RATES.items():
    _register(_name, _rate)
