"""The exact rule by hand, by brute force over all blocks and by its invariances."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from lethe.evaluator.metrics import exact_epsilon, exact_limit, example_quality, forgetting_quality
from lethe.evaluator.metrics.exact import clopper_pearson

Floats = NDArray[np.float64]
small_pools = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


@lru_cache
def rate_interval(successes: int, trials: int) -> Any:
    return binomtest(successes, trials).proportion_ci(0.95, method="exact")


def brute_force(unlearned: Floats, retrained: Floats) -> float:
    """Every block of consecutive distinct pooled margins, one at a time, with scipy's own interval."""
    values = np.unique(np.concatenate((unlearned, retrained)))
    best = 0.0
    for i in range(len(values)):
        for j in range(i, len(values)):
            a = int(((retrained >= values[i]) & (retrained <= values[j])).sum())
            b = int(((unlearned >= values[i]) & (unlearned <= values[j])).sum())
            p, q = rate_interval(a, len(retrained)), rate_interval(b, len(unlearned))
            for numerator, denominator in (
                (p.low, q.high),
                (q.low, p.high),
                (1 - p.high, 1 - q.low),
                (1 - q.high, 1 - p.low),
            ):
                if numerator > 1e-5:
                    best = max(best, math.log((numerator - 1e-5) / denominator))
    return best


@settings(max_examples=60, deadline=None)
@given(small_pools, small_pools)
def test_agrees_with_brute_force_with_ties(unlearned: list[int], retrained: list[int]) -> None:
    ours, theirs = np.array(unlearned, float), np.array(retrained, float)
    answer = exact_epsilon(ours[:, None], theirs[:, None])[0]
    assert answer == pytest.approx(brute_force(ours, theirs), abs=1e-9)


@pytest.mark.parametrize(("runs", "oracles"), [(12, 12), (20, 12), (12, 25)])
def test_agrees_with_brute_force_without_ties(runs: int, oracles: int) -> None:
    generator = np.random.default_rng([runs, oracles])
    unlearned, retrained = generator.normal(0.8, 0.6, (runs, 3)), generator.normal(0, 1, (oracles, 3))
    answer = exact_epsilon(unlearned, retrained)
    expected = [brute_force(unlearned[:, e], retrained[:, e]) for e in range(3)]
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-9)


def test_perfect_separation_by_hand() -> None:
    # All 8 inside against none: p- = 0.025^(1/8), q+ = 1 − 0.025^(1/8).
    bound = 0.025 ** (1 / 8)
    limit = math.log((bound - 1e-5) / (1 - bound))
    pools = np.arange(8.0)[:, None]
    assert exact_limit(8, 8) == pytest.approx(limit, abs=1e-12)
    assert exact_epsilon(pools, pools + 8)[0] == pytest.approx(limit, abs=1e-12)
    assert forgetting_quality([limit], rule="exact", runs=8, oracles=8) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("unlearned", "retrained", "expected"),
    [
        ([1.0] * 8, [1.0] * 8, 0.0),  # equal constants
        ([1.0] * 8, [2.0] * 8, 1.0),  # different constants
        ([1.0] * 8, [0.0] * 4 + [2.0] * 4, 1.0),  # a constant in a hole of the other pool
        ([0.0, 1.0] * 4, [0.0, 1.0] * 4, 0.0),  # two values, equally often
    ],
)
def test_degenerate_pools(unlearned: list[float], retrained: list[float], expected: float) -> None:
    epsilon = exact_epsilon(np.array([unlearned]).T, np.array([retrained]).T)[0]
    assert epsilon == pytest.approx(expected * exact_limit(8, 8))


def test_one_outlier_barely_matters() -> None:
    generator = np.random.default_rng(5)
    unlearned, retrained = generator.normal(size=(64, 20)), generator.normal(size=(64, 20))
    with_outlier = retrained.copy()
    with_outlier[0] = 1e9
    change = exact_epsilon(unlearned, with_outlier) - exact_epsilon(unlearned, retrained)
    assert np.abs(change).max() < 0.25


@settings(max_examples=60, deadline=None)
@given(small_pools, small_pools, st.randoms(use_true_random=False))
def test_only_the_order_of_margins_matters(unlearned: list[int], retrained: list[int], random: object) -> None:
    ours, theirs = np.array(unlearned, float)[:, None], np.array(retrained, float)[:, None]
    epsilon = exact_epsilon(ours, theirs)
    assert np.array_equal(exact_epsilon(np.exp(ours), np.exp(theirs)), epsilon)  # a strictly monotone transform
    assert np.array_equal(exact_epsilon(-(ours**3), -(theirs**3)), epsilon)  # a strictly falling one
    assert np.array_equal(exact_epsilon(ours[::-1], np.roll(theirs, 1)), epsilon)  # the order of the runs
    np.testing.assert_allclose(exact_epsilon(theirs, ours), epsilon, rtol=0, atol=1e-12)  # the names of the pools
    assert 0 <= epsilon[0] <= exact_limit(len(ours), len(theirs)) + 1e-12


def test_examples_are_independent_of_each_other_and_of_chunks() -> None:
    generator = np.random.default_rng(2)
    unlearned, retrained = generator.normal(0.4, 1, (16, 600)), generator.normal(0, 1, (16, 600))
    order = generator.permutation(600)
    assert np.array_equal(
        exact_epsilon(unlearned[:, order], retrained[:, order]), exact_epsilon(unlearned, retrained)[order]
    )


def test_clopper_pearson_agrees_with_scipy() -> None:
    low, high = clopper_pearson(23, 0.95)
    for successes in range(24):
        bounds = binomtest(successes, 23).proportion_ci(0.95, method="exact")
        assert low[successes] == pytest.approx(bounds.low, abs=1e-9)
        assert high[successes] == pytest.approx(bounds.high, abs=1e-9)


def test_quality_falls_smoothly_from_one_to_zero() -> None:
    limit = exact_limit(64, 64)
    quality = example_quality(np.linspace(0, limit, 50), rule="exact", runs=64, oracles=64)
    assert quality[0] == 1
    assert quality[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(quality) < 0).all()
