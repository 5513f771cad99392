"""Whether a submission can stop early: after n of N runs, is it significantly worse than its team's best?

One rule for control and for `benchmarks/looks.py`, which counts what it gets wrong; docs/adr/0018 has the reasons.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.metrics.score import Score
from lethe.evaluator.metrics.uncertainty import jackknife_error

QUANTILE = 2.0
"""How many of its errors a difference must be below zero, beside the margin for a lucky best.

At 15 degrees of freedom 3% of the looks at an equal submission go below by chance alone, and there are several. The
simulation justifies more than Bonferroni's 3.3: the jackknife's error is half too large, and both bounds must hold.
"""

SELECTION_BIAS = 1.0
"""How many of its own standard errors at N the best is taken to sit above its worth: it was chosen for being highest.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate:
    """Final scores (…) with their jackknife replicates (…, G), both arrays, also of one score."""

    final: Floats
    replicates: Floats

    @classmethod
    def of(cls, score: Score) -> "Estimate":
        return cls(final=np.asarray(score.final_score), replicates=score.replicates)


@dataclass(frozen=True, eq=False)
class Look:
    """What a look at n runs found; arrays of one shape.

    `difference`: score minus the best's, both at n runs, with its paired `standard_error`. `shortfall`: score minus
    what it would need at n runs to reach the best's score at N, with `shortfall_error`.
    """

    difference: Floats
    standard_error: Floats
    shortfall: Floats
    shortfall_error: Floats


def look(submission: Estimate, best: Estimate, *, best_at_end: Estimate, growth: float) -> Look:
    """Compare a submission's first n runs with the first n of the best of its team, and with what those came to at N.

    All are scored against the same bank with the same groups. `growth`: the ceiling at n runs over that at N. F at n
    runs orders submissions differently from F at N, so being worse at n is not enough. No image gains more from further
    runs than one that is like the oracles', so a score gains no more than the ceiling does: to reach best(N), it needs
    `growth` · best(N) at n runs.
    """
    needed = Estimate(final=growth * best_at_end.final, replicates=growth * best_at_end.replicates)
    return Look(*_difference(submission, best), *_difference(submission, needed))


def stops(found: Look, *, runs: int, runs_total: int) -> NDArray[np.bool_]:
    """Return whether a submission stops at `runs` of `runs_total` runs: it is below its best in both ways."""
    size = {"runs": runs, "runs_total": runs_total}
    worse: NDArray[np.bool_] = is_below(found.difference, found.standard_error, **size) & is_below(
        found.shortfall, found.shortfall_error, **size
    )
    return worse


def is_below(difference: ArrayLike, error: ArrayLike, *, runs: int, runs_total: int) -> NDArray[np.bool_]:
    """Return where a difference at `runs` runs is significantly negative, even if the best was lucky.

    A best that sits some of its standard errors at N too high does so at n runs as well, since these are among the N.
    One is sqrt(n / 2N) of the error of a difference of two submissions at n. A difference without an error is never
    significant, nor is one whose error is unknown (NaN).
    """
    margin = QUANTILE + SELECTION_BIAS * sqrt(runs / (2 * runs_total))
    errors = np.asarray(error, dtype=np.float64)
    below: NDArray[np.bool_] = (errors > 0) & (np.asarray(difference, dtype=np.float64) + margin * errors < 0)
    return below


def _difference(a: Estimate, b: Estimate) -> tuple[Floats, Floats]:
    return a.final - b.final, jackknife_error(a.replicates - b.replicates)
