"""The score of a submission: epsilon, forgetting quality, utility ratios and error bars in one frozen value."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.competition import CAP, competition_supremum
from lethe.evaluator.metrics.exact import exact_epsilon
from lethe.evaluator.metrics.findings import ScoreFinding
from lethe.evaluator.metrics.pool import MIN_RUNS, Floats, Pool
from lethe.evaluator.metrics.quality import Rule, example_quality
from lethe.evaluator.metrics.uncertainty import (
    between_identity_variance,
    combined_error,
    group_count,
    interval,
    jackknife_error,
    kept_rows,
)
from lethe.evaluator.metrics.utility import accuracy_ratio

METRIC_VERSION = "1"
"""Changes whenever the same stored outputs would get another score."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Score:
    """What one submission got, with everything that comparing it with another one needs.

    `final_score` = `forgetting_quality` × `retain_ratio` × `test_ratio`; a ratio nobody measured is 1.
    `standard_error`, `interval` (95%, within what a score can be) and `replicates` (G,) are of the final score;
    `quality_replicates` (G,) of F alone. `interval_new_identities` also covers the draw of the forgotten people; None
    without identities. `epsilon` and `quality` are (E,).
    """

    rule: Rule
    runs: int
    oracles: int
    epsilon: Floats
    quality: Floats
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    final_score: float
    standard_error: float
    interval: tuple[float, float]
    interval_new_identities: tuple[float, float] | None
    replicates: Floats
    quality_replicates: Floats
    warnings: tuple[ScoreFinding, ...]
    metric_version: str = METRIC_VERSION


@dataclass(frozen=True, eq=False)
class _Estimate:
    epsilon: Floats
    quality: Floats
    forgetting_quality: float
    retain_ratio: float
    test_ratio: float
    undecided: int

    @property
    def final(self) -> float:
        return self.forgetting_quality * self.retain_ratio * self.test_ratio


def evaluate(
    unlearned: Pool,
    retrained: Pool,
    *,
    rule: Rule = "exact",
    cap_ratios: bool = True,
    identities: ArrayLike | None = None,
) -> Score:
    """The score of the unlearned pool against the oracles, bit for bit the same for the same arrays.

    `identities`: (E,) the person on each forget image, ints or strings. `cap_ratios` limits both accuracy ratios to
    1; the 2023 challenge did not. Jackknife: model i belongs to group i mod 16 (mod N below 16), each group is left
    out of both pools at once, and the whole final score is computed again.
    Raises ValueError for fewer than 8 models in a pool, different examples, unequal pools under `competition`, or an
    accuracy known for one pool only.
    """
    for name, pool in (("unlearned", unlearned), ("retrained", retrained)):
        if len(pool) < MIN_RUNS:
            raise ValueError(f"{name} holds {len(pool)} models; a score needs at least {MIN_RUNS}")
    labels = _checked_identities(identities, unlearned.examples)
    full = _estimate(unlearned, retrained, rule, cap_ratios)
    groups = group_count(len(unlearned), len(retrained))
    left_out = [
        _estimate(
            unlearned.take(kept_rows(len(unlearned), group, groups)),
            retrained.take(kept_rows(len(retrained), group, groups)),
            rule,
            cap_ratios,
        )
        for group in range(groups)
    ]
    replicates = np.array([estimate.final for estimate in left_out])
    error = float(jackknife_error(replicates))
    most = 1.0 if cap_ratios else inf
    wide, identity_warnings = _new_identities(full, error, groups - 1, labels, most)
    return Score(
        rule=rule,
        runs=len(unlearned),
        oracles=len(retrained),
        epsilon=full.epsilon,
        quality=full.quality,
        forgetting_quality=full.forgetting_quality,
        retain_ratio=full.retain_ratio,
        test_ratio=full.test_ratio,
        final_score=full.final,
        standard_error=error,
        interval=interval(full.final, error, groups - 1, most=most),
        interval_new_identities=wide,
        replicates=replicates,
        quality_replicates=np.array([estimate.forgetting_quality for estimate in left_out]),
        warnings=(*_warnings(full, retrained), *identity_warnings),
    )


def final_score(unlearned: Pool, retrained: Pool, *, rule: Rule = "exact", cap_ratios: bool = True) -> float:
    """F × RA_U/RA_R × TA_U/TA_R without error bars, a seventeenth of `evaluate`'s work.

    Raises ValueError as that does, except for small pools.
    """
    return _estimate(unlearned, retrained, rule, cap_ratios).final


def _estimate(unlearned: Pool, retrained: Pool, rule: Rule, cap_ratios: bool) -> _Estimate:
    if rule == "competition":
        supremum = competition_supremum(unlearned.margins, retrained.margins)
        epsilon, undecided = np.clip(supremum, 0.0, CAP), int(np.isneginf(supremum).sum())
    else:
        epsilon, undecided = exact_epsilon(unlearned.margins, retrained.margins), 0
    quality = example_quality(epsilon, rule=rule, runs=len(unlearned), oracles=len(retrained))
    return _Estimate(
        epsilon=epsilon,
        quality=quality,
        forgetting_quality=float(quality.mean()),
        retain_ratio=accuracy_ratio(unlearned, retrained, kind="retain", cap=cap_ratios),
        test_ratio=accuracy_ratio(unlearned, retrained, kind="test", cap=cap_ratios),
        undecided=undecided,
    )


def _checked_identities(identities: ArrayLike | None, examples: int) -> NDArray[np.generic] | None:
    if identities is None:
        return None
    labels = np.asarray(identities)
    if labels.shape != (examples,):
        raise ValueError(f"identities must have the shape ({examples},), one per example, not {labels.shape}")
    return labels


def _new_identities(
    full: _Estimate, error: float, degrees: int, labels: NDArray[np.generic] | None, most: float
) -> tuple[tuple[float, float] | None, tuple[ScoreFinding, ...]]:
    if labels is None:
        return None, ()
    people = len(np.unique(labels))
    if people < 2:
        message = "All forget examples show one identity, so nothing is known about other people."
        return None, (ScoreFinding("single_identity", message),)
    spread = between_identity_variance(full.quality, labels) ** 0.5 * full.retain_ratio * full.test_ratio
    return interval(full.final, combined_error(error, spread), min(degrees, people - 1), most=most), ()


def _warnings(full: _Estimate, retrained: Pool) -> tuple[ScoreFinding, ...]:
    found = []
    if full.undecided:
        message = (
            f"No decision rule of the competition's grid survived for {full.undecided} examples (constant or nearly "
            "constant margins in both pools); they count as epsilon 0."
        )
        found.append(ScoreFinding("no_surviving_rule", message))
    accuracies = {"retain": retrained.retain_accuracy, "test": retrained.test_accuracy}
    missing = [name for name, values in accuracies.items() if values is None]
    if missing:
        message = f"No {' and '.join(missing)} accuracies were given; the ratio counts as 1."
        found.append(ScoreFinding("accuracies_missing", message))
    zero = [name for name, values in accuracies.items() if values is not None and not values.any()]
    if zero:
        message = f"The oracles' {' and '.join(zero)} accuracies are all zero; the ratio counts as 1."
        found.append(ScoreFinding("oracle_accuracies_zero", message))
    return tuple(found)
