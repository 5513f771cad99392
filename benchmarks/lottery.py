"""How far luck carries: the best of many uploads that differ in nothing but their seeds, and what own seeds cost.

`python -m benchmarks lottery` draws margins as the metric sees them: N oracles, N runs of an honest submission whose
margins are shifted a little, and 40 forget examples. Nothing is trained. docs/leaks.md quotes it.
"""

import argparse
from typing import get_args

import numpy as np
from scipy.special import ndtri

from benchmarks.goals import note
from lethe.evaluator.metrics import Pool, evaluate, paired_difference
from lethe.evaluator.metrics.quality import Rule
from lethe.evaluator.metrics.score import final_score

EXAMPLES = 40
SHIFT = 0.5
BEST_OF = (25, 100, 450)


def draw(generator: np.random.Generator, runs: int, shift: float = 0.0) -> np.ndarray:
    """Return margins (N, E), shifted by `shift` standard deviations; half of their variance is common to a run."""
    common = generator.normal(size=(runs, 1))
    return (common + generator.normal(size=(runs, EXAMPLES))) / np.sqrt(2) + shift


def best_of(rule: Rule, runs: int, draws: int) -> None:
    """Print mean and spread of a submission's score over its seeds, and the expected best of several draws.

    The best of k normal values lies near the quantile (k - 3/8) / (k + 1/4) (Blom, 1958).
    """
    generator = np.random.default_rng(0)
    oracles = Pool(margins=draw(generator, runs))
    scores = [final_score(Pool(margins=draw(generator, runs, SHIFT)), oracles, rule=rule) for _ in range(draws)]
    mean, spread = float(np.mean(scores)), float(np.std(scores, ddof=1))
    best = "  ".join(f"{mean + spread * ndtri((k - 0.375) / (k + 0.25)):.3f}" for k in BEST_OF)
    luckiest = mean + spread * ndtri((BEST_OF[-1] - 0.375) / (BEST_OF[-1] + 0.25))
    note("lottery", f"{rule}, N = {runs}: best of {BEST_OF[-1]}", luckiest / mean, "means")
    print(f"{rule:12}{runs:5}  mean {mean:.3f}  sd {spread:.4f}  best of {BEST_OF}: {best}", flush=True)


def paired(rule: Rule, runs: int, pairs: int) -> None:
    """Print the standard error of the paired difference between a submission and an edit of it, by whose seeds."""
    generator = np.random.default_rng(1)
    shared, own = [], []
    for _ in range(pairs):
        oracles = Pool(margins=draw(generator, runs))
        margins = draw(generator, runs, SHIFT)
        edited = margins + 0.1 + 0.3 * generator.normal(size=margins.shape)  # the same seeds, nearly the same runs
        first, same, other = (
            evaluate(Pool(margins=values), oracles, rule=rule)
            for values in (margins, edited, draw(generator, runs, SHIFT + 0.1))
        )
        shared.append(paired_difference(first, same).standard_error)
        own.append(paired_difference(first, other).standard_error)
    print(
        f"{rule:12}{runs:5}  error of a paired difference: {np.mean(shared):.4f} with shared seeds, "
        f"{np.mean(own):.4f} with own ones, {np.mean(own) / np.mean(shared):.2f} times",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--runs", type=int, nargs="+", default=[32, 512])
    options = parser.parse_args()
    for runs in options.runs:
        for rule in get_args(Rule):
            best_of(rule, runs, options.draws)
            if options.pairs:
                paired(rule, runs, options.pairs)


if __name__ == "__main__":
    main()
