"""The competition rule by hand, by a literal grid and by its invariances."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lethe.evaluator.metrics import Pool, competition_bins, competition_epsilon, evaluate, forgetting_quality
from lethe.evaluator.metrics.competition import competition_supremum, left_ends_upto

Floats = NDArray[np.float64]


def literal_epsilon(unlearned: Floats, retrained: Floats) -> float:
    """All rules against all margins, as the published description has it, in its float32 arithmetic."""
    positive, negative = (
        (retrained, unlearned) if np.median(retrained) > np.median(unlearned) else (unlearned, retrained)
    )
    ranges = sorted((np.ptp(unlearned), np.ptp(retrained)))
    if ranges[1] > 0 and ranges[0] / ranges[1] < 0.01:
        return 50.0
    low, high = min(unlearned.min(), retrained.min()), max(unlearned.max(), retrained.max())
    points = np.linspace(low, high, math.ceil(100 * (high - low))).astype(np.float32)[:, None]
    rules = np.zeros((len(unlearned) + 1, len(unlearned) + 1), dtype=bool)  # by false positives and false negatives
    rules[(negative >= points).sum(axis=1), (positive < points).sum(axis=1)] = True
    inside, outside = (positive, negative) if np.ptp(positive) < np.ptp(negative) else (negative, positive)
    width = np.ptp(inside)
    low, high = inside.min() + width - 2, inside.max() + 2
    for right in np.linspace(low, high, math.ceil(100 * (high - low))):
        left = np.linspace(right - width - 2, right - width + 2, 400)[:, None]
        intruders, contained = (((pool >= left) & (pool <= right)).sum(axis=1) for pool in (outside, inside))
        rules[intruders, len(inside) - contained] = True
    rates = [(counts / len(unlearned)).astype(np.float32) for counts in np.nonzero(rules)]
    return float(np.clip(rule_epsilons(*rates), 0, 50).max(initial=0))


def rule_epsilons(false_positive: NDArray[np.float32], false_negative: NDArray[np.float32]) -> NDArray[np.float32]:
    kept = (false_positive == 0) == (false_negative == 0)
    x, y = false_positive[kept], false_negative[kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        epsilons: NDArray[np.float32] = np.fmax(
            np.log(np.float32(1 - 1e-5) - x) - np.log(y), np.log(np.float32(1 - 1e-5) - y) - np.log(x)
        )
    return epsilons[~np.isnan(epsilons)]


MARGINS = st.one_of(
    st.floats(-4, 4),
    st.integers(-30, 30).map(lambda tenths: tenths / 10),
    st.integers(-9, 9).map(float),
    st.integers(-450, 450).map(lambda steps: steps * 4 / 399),  # as far apart as left ends are
    st.sampled_from([0.5, 0.5 + 1e-15, 0.5 - 1e-12, -103.6, 103.6]),
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12).flatmap(lambda runs: st.tuples(*[st.lists(MARGINS, min_size=runs, max_size=runs)] * 2)))
@example(([0.3] * 4, [0.3] * 4))
@example(([0.3] * 4, [0.1, 0.2, 0.3, 0.4]))
@example(([1.0, 1.0, 2.0, 2.0], [1.0, 2.0, 2.0, 2.0]))
def test_gives_the_bits_of_the_literal_grid(pools: tuple[list[float], list[float]]) -> None:
    unlearned, retrained = (np.array(pool) for pool in pools)

    assert competition_epsilon(unlearned[:, None], retrained[:, None])[0] == literal_epsilon(unlearned, retrained)


@pytest.mark.parametrize(
    ("shift", "scale", "decimals"), [(0.0, 1.0, 9), (0.7, 1.3, 9), (0.2, 0.3, 1), (0.5, 0.02, 9), (1.0, 6.0, 0)]
)
def test_gives_the_bits_of_the_literal_grid_for_normal_margins(shift: float, scale: float, decimals: int) -> None:
    generator = np.random.default_rng([1, round(10 * shift), round(10 * scale), decimals])
    unlearned = generator.normal(shift, scale, 64).round(decimals)
    retrained = generator.normal(0, 1, 64).round(decimals)

    assert competition_epsilon(unlearned[:, None], retrained[:, None])[0] == literal_epsilon(unlearned, retrained)


def test_left_ends_are_those_of_linspace() -> None:
    generator = np.random.default_rng(2)
    middle = generator.uniform(-10, 10, 200) - generator.uniform(0, 10, 200)
    for first, last in zip(middle - 2, middle + 2, strict=True):
        left = np.linspace(first, last, 400)
        margins = np.concatenate((left, np.nextafter(left, -np.inf), [-np.inf, np.inf]))
        counts = left_ends_upto(margins, np.array([first]), np.array([last]))
        assert np.array_equal(counts[0], np.searchsorted(left, margins, side="right"))


def test_replicates_are_those_of_the_literal_grid() -> None:
    # Without their group, the outliers change ranges, grids and the peaky rule.
    generator = np.random.default_rng(5)
    unlearned, retrained = generator.normal(0.3, 1, (20, 3)), generator.normal(0, 1, (20, 3))
    unlearned[:, 1] /= 20
    unlearned[4, 0], retrained[7, 1], retrained[:, 2] = 6.0, 90.0, retrained[:, 2].round(1)

    score = evaluate(Pool(margins=unlearned), Pool(margins=retrained), rule="competition")

    assert score.epsilon[1] == 50
    for group, quality in enumerate(score.quality_replicates):
        kept = np.arange(20) % 16 != group
        epsilon = [literal_epsilon(unlearned[kept, image], retrained[kept, image]) for image in range(3)]
        assert (epsilon[1] < 50) == (group == 7)
        assert quality == forgetting_quality(epsilon, rule="competition", runs=kept.sum(), oracles=kept.sum())


def test_two_valued_pools_by_hand() -> None:
    unlearned = np.array([1.0] * 8 + [0.0] * 2)[:, None]
    retrained = np.array([1.0] * 3 + [0.0] * 7)[:, None]

    # The only useful rule calls 1 unlearned: FPR 0.3, FNR 0.2.
    assert competition_epsilon(unlearned, retrained)[0] == pytest.approx(math.log((1 - 1e-5 - 0.3) / 0.2), abs=1e-6)


@pytest.mark.parametrize(
    ("unlearned", "retrained", "epsilon"),
    [
        ([5.0, 5.5, 6.0, 6.5], [0.0, 0.5, 1.0, 1.5], 50.0),  # separated by a threshold
        ([0.4, 0.5, 0.6, 0.5], [-1.0, 0.0, 1.0, 2.0], 50.0),  # separated by an interval
        ([0.3] * 4, [0.0, 0.5, 1.0, 1.5], 50.0),  # one constant: peaky
        ([0.3] * 4, [0.8] * 4, 50.0),  # two different constants
        ([0.3] * 4, [0.3] * 4, 0.0),  # two equal constants: no rule survives
    ],
)
def test_degenerate_pools(unlearned: list[float], retrained: list[float], epsilon: float) -> None:
    assert competition_epsilon(np.array([unlearned]).T, np.array([retrained]).T)[0] == epsilon


def test_only_equal_constants_leave_no_rule() -> None:
    pools = np.full((8, 1), 2.0)
    assert np.isneginf(competition_supremum(pools, pools)).all()


def test_one_outlier_makes_the_other_pool_peaky() -> None:
    generator = np.random.default_rng(3)
    unlearned = generator.normal(0, 0.1, (32, 1))
    retrained = generator.normal(0, 0.1, (32, 1))
    retrained[0] = 100.0
    assert competition_epsilon(unlearned, retrained)[0] == 50.0


def test_widest_margins_are_taken_and_wider_ones_refused() -> None:
    wide = np.linspace(-103.6, 103.6, 16)[:, None]
    assert 0 <= competition_epsilon(wide, -wide + 0.01)[0] <= 50
    with pytest.raises(ValueError, match="±1000"):
        competition_epsilon(wide * 10, wide)


def test_needs_pools_of_equal_size() -> None:
    with pytest.raises(ValueError, match="exact rule takes pools of different size"):
        competition_epsilon(np.zeros((8, 1)), np.zeros((9, 1)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_order_of_runs_and_examples_does_not_matter(seed: int, runs: int) -> None:
    generator = np.random.default_rng(seed)
    unlearned, retrained = generator.normal(0.3, 1, (runs, 3)), generator.normal(0, 1, (runs, 3))
    epsilon = competition_epsilon(unlearned, retrained)

    order = generator.permutation(3)
    shuffled = competition_epsilon(generator.permutation(unlearned)[:, order], retrained[::-1][:, order])

    assert np.array_equal(shuffled, epsilon[order])
    assert ((epsilon >= 0) & (epsilon <= 50)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_swapping_the_pools_changes_nothing(seed: int, half: int) -> None:
    # An odd number of continuous margins has no tied medians, where the rule prefers the unlearned pool.
    generator = np.random.default_rng(seed)
    unlearned, retrained = generator.normal(0.3, 1, (2 * half + 1, 2)), generator.normal(0, 1, (2 * half + 1, 2))
    assert np.array_equal(competition_epsilon(unlearned, retrained), competition_epsilon(retrained, unlearned))


@pytest.mark.parametrize(("runs", "bins"), [(16, 6), (64, 10), (512, 14)])
def test_number_of_bins(runs: int, bins: int) -> None:
    assert competition_bins(runs) == bins
    edge = bins / 2
    assert forgetting_quality([edge - 1e-9], rule="competition", runs=runs, oracles=runs) == 2.0 ** -(bins - 1)
    assert forgetting_quality([edge], rule="competition", runs=runs, oracles=runs) == 0


def test_quality_by_hand() -> None:
    quality = forgetting_quality([0.0, 0.49, 0.5, 1.2, 50.0], rule="competition", runs=16, oracles=16)
    assert quality == pytest.approx((1 + 1 + 0.5 + 0.25 + 0) / 5)
