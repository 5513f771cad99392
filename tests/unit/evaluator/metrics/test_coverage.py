"""Simulations: the interval covers, and equal submissions are seldom called different.

Short versions of what benchmarks/metric.py repeats at length. Runs carry a shared effect, as trained networks do.
"""

import numpy as np
import pytest

from lethe.evaluator.metrics import Pool, Rule, Score, compare, evaluate, paired_difference

pytestmark = pytest.mark.slow


def draw(generator: np.random.Generator, runs: int, examples: int, shift: float) -> Pool:
    shared = generator.normal(size=(runs, 1))
    own = generator.normal(size=(runs, examples))
    return Pool(margins=shift + np.sqrt(0.3) * shared + np.sqrt(0.7) * own)


@pytest.mark.parametrize(
    ("rule", "runs", "examples", "repetitions", "shift"),
    [
        ("exact", 32, 10, 100, 0.5),
        ("exact", 64, 10, 80, 1.0),
        ("competition", 32, 3, 30, 0.0),
        ("competition", 64, 3, 30, 0.5),
    ],
)
def test_interval_covers_and_false_positives_are_rare(
    rule: Rule, runs: int, examples: int, repetitions: int, shift: float
) -> None:
    generator = np.random.default_rng([runs, examples, repetitions])
    pairs: list[tuple[Score, Score]] = []
    for _ in range(repetitions):
        bank = draw(generator, runs, examples, 0.0)
        first, second = (evaluate(draw(generator, runs, examples, shift), bank, rule=rule) for _ in range(2))
        pairs.append((first, second))
    # What the score of this population is on average, from as many simulated competitions.
    truth = float(np.mean([score.final_score for pair in pairs for score in pair]))
    covered = np.mean([first.interval[0] <= truth <= first.interval[1] for first, _ in pairs])
    false_positives = np.mean([paired_difference(first, second).significant for first, second in pairs])
    assert 0.9 <= covered <= 1.0
    assert false_positives <= 0.08


def test_permutation_keeps_its_level() -> None:
    generator = np.random.default_rng(11)
    rejected = []
    for _ in range(60):
        bank, first, second = (draw(generator, 32, 6, 0.0) for _ in range(3))
        rejected.append(compare(first, second, bank, permutations=39).p_value <= 0.05)
    assert np.mean(rejected) <= 0.08
