"""Checks on stored outputs that turn into named warnings: broken runs, collapsed seeds and signs of gaming."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import scipy  # loads `special`, which takes long to import, when it is used
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.findings import ScoreFinding
from lethe.evaluator.metrics.pool import Floats, Pool
from lethe.evaluator.metrics.score import Score
from lethe.evaluator.metrics.uncertainty import interval, jackknife_error

TWIN_DISTANCE = 1e-3
"""Runs closer than this fraction of the oracles' usual distance are called near-identical."""
OUTLIER_FACTOR = 8.0
"""An outlier run is this many times farther from the per-example medians than the median run."""
UNCHANGED_MARGIN = 1e-5
"""Margins this close to the original model's come from unchanged weights: float32 inference varies less."""
REGULAR_Z = 5.0
"""Standard errors by which the spacings must be too even; over 1,700 simulated honest pools stayed below 3.8."""
_MIN_PAIRS = 8


def diagnose(
    unlearned: Pool,
    retrained: Pool,
    *,
    score: Score | None = None,
    ceiling: Score | None = None,
    original: ArrayLike | None = None,
    copied: Score | None = None,
    copies: Mapping[str, Score] | None = None,
) -> tuple[ScoreFinding, ...]:
    """Every finding about a submission, the score's own warnings first; empty when nothing is suspicious.

    `original`: (E,) margins of the original model. `ceiling`: score of a second pool of oracles. `copies`: scores on
    changed copies of forget images, by name ("flipped", "jittered"); `copied`: the score on those images themselves,
    where they are not all of them. A check whose argument is None is skipped.
    """
    found: list[ScoreFinding | None] = [
        collapsed_runs(unlearned.margins, retrained.margins),
        outlier_runs(unlearned.margins),
        regular_margins(unlearned.margins),
    ]
    if original is not None:
        found.append(unchanged_outputs(unlearned.margins, original))
    if ceiling is not None:
        found.append(ceiling_zero(ceiling))
    if score is not None and ceiling is not None and ceiling.forgetting_quality > 0:
        found.append(above_ceiling(score, ceiling))
    on_images = copied or score
    if on_images is not None:
        found.extend(copies_gap(on_images, copy, name=name) for name, copy in (copies or {}).items())
    own = () if score is None else score.warnings
    return (*own, *(finding for finding in found if finding is not None))


def non_finite_outputs(outputs: ArrayLike) -> ScoreFinding | None:
    """Runs whose `outputs` (N, …) hold NaN or infinite values; check before building a Pool, which refuses them."""
    values = np.asarray(outputs)
    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if not broken.any():
        return None
    return ScoreFinding("non_finite_outputs", f"{_runs(broken)} NaN or infinite outputs.")


def collapsed_runs(unlearned: Floats, retrained: Floats) -> ScoreFinding | None:
    """Runs that are (nearly) copies of another run, which is what a seed fixed inside a submission does."""
    usual = float(np.median(_distances(retrained)[np.triu_indices(len(retrained), 1)]))
    distances = _distances(unlearned)
    np.fill_diagonal(distances, np.inf)
    twins = distances.min(axis=1) <= TWIN_DISTANCE * usual
    if not twins.any():
        return None
    message = (
        f"{_runs(twins)} a (nearly) identical twin. Runs must differ by their seeds as retraining does; "
        "a seed set inside the submission makes them alike and ruins the score."
    )
    return ScoreFinding("collapsed_runs", message)


def outlier_runs(unlearned: Floats) -> ScoreFinding | None:
    """Runs far away from the others on the forget examples as a whole, such as diverged ones."""
    deviation = np.abs(unlearned - np.median(unlearned, axis=0))
    scale = np.median(deviation, axis=0)
    if not (scale > 0).any():
        return None
    distance = (deviation[:, scale > 0] / scale[scale > 0]).mean(axis=1)  # (N,)
    outliers = distance > OUTLIER_FACTOR * np.median(distance)
    if not outliers.any():
        return None
    return ScoreFinding(
        "outlier_runs", f"{_runs(outliers)} margins far away from all others; perhaps training diverged."
    )


def unchanged_outputs(unlearned: Floats, original: ArrayLike) -> ScoreFinding | None:
    """Runs that answer like the original model on every forget example."""
    reference = np.asarray(original, dtype=np.float64)
    if reference.shape != unlearned.shape[1:]:
        raise ValueError(f"the original model's margins must have the shape {unlearned.shape[1:]}")
    same = np.abs(unlearned - reference).max(axis=1) <= UNCHANGED_MARGIN
    if not same.any():
        return None
    return ScoreFinding("unchanged_weights", f"{_runs(same)} the outputs of the original model: nothing was unlearned.")


def ceiling_zero(ceiling: Score) -> ScoreFinding | None:
    """A forgetting quality of the ceiling that is zero, also if only without one of the groups of the jackknife."""
    if ceiling.forgetting_quality > 0 and ceiling.quality_replicates.all():
        return None
    when = "" if ceiling.forgetting_quality == 0 else " without some of its networks"
    message = (
        f"The ceiling's forgetting quality is zero{when}, so the normalised value is undefined. The second pool of "
        "oracles should have the recipe and the data of the first."
    )
    return ScoreFinding("ceiling_zero", message)


def above_ceiling(score: Score, ceiling: Score) -> ScoreFinding | None:
    """A forgetting quality above the upper 95% bound of the ceiling's, which retraining itself hardly reaches."""
    error = float(jackknife_error(ceiling.quality_replicates))
    upper = interval(ceiling.forgetting_quality, error, len(ceiling.quality_replicates) - 1)[1]
    if score.forgetting_quality <= upper:
        return None
    message = f"F = {score.forgetting_quality:.3f} lies above the ceiling's upper bound {upper:.3f}."
    return ScoreFinding("above_ceiling", message)


def copies_gap(score: Score, copies: Score, *, name: str) -> ScoreFinding | None:
    """A forgetting quality that more than halves, significantly, on `name` copies of the forget images.

    Retraining changes the answer to a photograph and to its mirror image alike; margins memorised for the exact
    photographs do not carry over.
    """
    error = float(jackknife_error(score.quality_replicates - copies.quality_replicates))
    gap = score.forgetting_quality - copies.forgetting_quality
    significant = interval(gap, error, len(score.quality_replicates) - 1)[0] > 0
    if not significant or copies.forgetting_quality >= score.forgetting_quality / 2:
        return None
    message = (
        f"F falls from {score.forgetting_quality:.3f} on the forget images to {copies.forgetting_quality:.3f} on "
        f"their {name} copies; the margins may be memorised."
    )
    return ScoreFinding("copies_gap", message)


def regular_margins(unlearned: Floats) -> ScoreFinding | None:
    """Margins spread more evenly than independent draws: a sign of runs that know their own index.

    The smaller of two neighbouring spacings over the larger one has a known mean under independent draws from any
    smooth density, whatever that is (2 ln 2 − 1 for single spacings); quantiles played on purpose come close to 1.
    Spacings over 1, 2, 4, … margins are tried. The error bar counts only as many examples as the correlation between
    them leaves independent, so a shared effect of the run raises no false alarm.
    """
    varying = unlearned[:, np.ptp(unlearned, axis=0) > 0]
    if not varying.size:
        return None
    standard = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    independent = varying.size**2 / float(((standard @ standard.T) ** 2).sum())
    # The normal distribution function flattens most densities, so that neighbours over many margins stay comparable.
    ordered = np.sort(scipy.special.ndtr(standard), axis=0)
    step = 1
    while len(ordered) - 1 >= 2 * step * _MIN_PAIRS:
        spacings = np.diff(ordered[::step], axis=0)
        pairs = len(spacings) // 2
        first, second = spacings[0 : 2 * pairs : 2], spacings[1 : 2 * pairs : 2]
        larger = np.maximum(first, second)
        if (larger > 0).any():
            observed = float((np.minimum(first, second)[larger > 0] / larger[larger > 0]).mean())
            mean, deviation = _spacing_ratio(step)
            if observed > mean + REGULAR_Z * deviation / np.sqrt(pairs * max(1.0, independent)):
                message = (
                    f"The margins are more evenly spaced than independent runs would be (ratio {observed:.2f} over "
                    f"spacings of {step}, expected {mean:.2f})."
                )
                return ScoreFinding("regular_margins", message)
        step *= 2
    return None


@lru_cache(maxsize=16)
def _spacing_ratio(step: int) -> tuple[float, float]:
    """Mean and standard deviation of min/max of two independent Gamma(step) spacings."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    share = (nodes + 1) / 4  # the smaller spacing's share of the sum, in (0, 1/2)
    density = np.exp((step - 1) * np.log(share * (1 - share)) - scipy.special.betaln(step, step)) * weights / 2
    ratio = share / (1 - share)
    mean = float((ratio * density).sum())
    return mean, float(np.sqrt((ratio**2 * density).sum() - mean**2))


def _distances(margins: Floats) -> Floats:
    """(N, N) root mean square differences between the runs' margins."""
    centred = margins - margins.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    distances: Floats = np.sqrt(
        np.maximum(squares[:, None] + squares[None, :] - 2 * centred @ centred.T, 0) / margins.shape[1]
    )
    return distances


def _runs(which: NDArray[np.bool_]) -> str:
    """'3 of 32 runs have', the start of a sentence."""
    count = int(which.sum())
    return f"{count} of {len(which)} runs {'has' if count == 1 else 'have'}"
