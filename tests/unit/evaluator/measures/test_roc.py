"""True positives at few false positives, from p-values of likelihood ratios pooled over images."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measures
from lethe.evaluator.measures.roc import _p_values, pooled_p_values, true_positive_rate

Floats = NDArray[np.float64]


def draw(seed: int, shift: float = 0.0, scale: float = 1.0, models: int = 512, images: int = 40) -> Floats:
    return np.random.default_rng(seed).normal(shift, scale, (models, images))


def rate(ours: Floats, theirs: Floats, name: str = "tpr_at_1_percent") -> float:
    return measures()[name].of(MeasureInputs(margins={"forget": (ours, theirs)}), intervals=False).values[name].value


def test_the_rate_by_hand() -> None:
    theirs = np.array([0.1, 0.2, 0.3, 0.4])
    ours = np.array([0.05, 0.15, 0.25, 0.9])
    assert true_positive_rate(ours, theirs, 0.25) == 0.5  # below .2, where one of four oracles is
    assert true_positive_rate(np.zeros(3), theirs, 0.25) == 1
    assert true_positive_rate(np.ones(3), theirs, 0.25) == 0


def test_ties_count_in_part_so_that_equal_pools_get_the_rate_itself() -> None:
    for pool in (np.zeros(10), np.array([0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0])):
        for wanted in (0.01, 0.1, 0.3):
            assert true_positive_rate(pool, pool, wanted) == pytest.approx(wanted)


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 0.7), (0.5, 1.6), (-0.3, 1.0)])
def test_p_values_of_oracles_are_uniform(shift: float, scale: float) -> None:
    for _, theirs in pooled_p_values(draw(1, shift, scale), draw(2)):
        assert np.quantile(theirs, [0.05, 0.5, 0.95]) == pytest.approx([0.05, 0.5, 0.95], abs=0.02)


def test_a_p_value_is_the_chance_of_a_larger_likelihood_ratio() -> None:
    ours, theirs = (np.array([0.4]), np.array([1.5])), (np.array([0.1]), np.array([0.8]))
    values = np.linspace(-3, 3, 13)[:, None]
    drawn = np.random.default_rng(1).normal(0.1, 0.8, (200_000, 1))

    def ratio(margins: Floats) -> Floats:
        difference: Floats = norm.logpdf(margins, 0.4, 1.5) - norm.logpdf(margins, 0.1, 0.8)
        return difference

    simulated = (ratio(drawn) > ratio(values).T).mean(axis=0)
    assert _p_values(values, ours, theirs)[:, 0] == pytest.approx(simulated, abs=0.005)


def test_a_shift_by_a_deviation_is_found_as_often_as_theory_says() -> None:
    for shift in (1.0, -2.0):
        best = 100 * norm.cdf(abs(shift) - norm.ppf(0.99))
        assert rate(draw(1, shift, images=100), draw(2, images=100)) == pytest.approx(best, rel=0.15)


def test_the_unit_of_the_margins_and_the_order_of_images_do_not_matter() -> None:
    ours, theirs = draw(1, 0.5, 1.4), draw(2)
    scaled = rate(7 * ours[:, ::-1] - 3, 7 * theirs[:, ::-1] - 3)
    assert scaled == pytest.approx(rate(ours, theirs))
    assert rate(-ours, -theirs) == pytest.approx(rate(ours, theirs))


def test_known_limits() -> None:
    assert rate(draw(1), draw(2)) == pytest.approx(1, abs=0.4)
    assert rate(draw(1, 30), draw(2)) == 100
    untouched = np.tile(draw(3, images=40)[0], (512, 1))  # one network many times, each image somewhere in its range
    assert rate(untouched, draw(2)) == 100
    same = np.zeros((512, 40))
    assert rate(same, same) == pytest.approx(1)


def test_fewer_trials_than_ten_false_positives_take_have_no_rate() -> None:
    inputs = MeasureInputs(margins={"forget": (draw(1, models=32, images=32), draw(2, models=32, images=32))})
    found = measures()["tpr_at_1_percent"].of(inputs)
    # Without a group there are 960 trials, and 1,000 are needed: a value, and no interval.
    assert found.values["tpr_at_1_percent"].low is None
    assert measures()["tpr_at_0_1_percent"].of(inputs).absent == (
        "it needs 10,000 trials of an oracle on an image, and there are 1,024"
    )
