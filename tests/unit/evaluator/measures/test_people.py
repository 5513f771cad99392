"""Per person: means over the images, and the attack on all images of a person at once."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.people import mean_of_people, person_attack
from lethe.evaluator.measures.registry import measures

Floats = NDArray[np.float64]
SEPARATED_AT_64 = 2.10


def draw(seed: int, shift: float = 0.0, models: int = 64, images: int = 6) -> Floats:
    return np.random.default_rng(seed).normal(shift, 1, (models, images))


@pytest.mark.parametrize(("images", "accuracy"), [(1, 0.60), (6, 0.73)])
def test_half_a_deviation_is_found_more_often_on_six_images(images: int, accuracy: float) -> None:
    found = person_attack(draw(1, 0.5, 8_000, images), draw(2, 0, 8_000, images), np.zeros(images))
    best = norm.cdf(0.5 * images**0.5 / 2)
    assert best == pytest.approx(accuracy, abs=0.005)
    assert found.accuracy == pytest.approx([best], abs=0.01)


def test_people_are_sorted_and_only_their_own_images_count() -> None:
    ours = draw(1)
    ours[:, 4:] += 30
    found = person_attack(ours, draw(2), ["eve", "eve", "bob", "bob", "ann", "ann"])
    assert found.accuracy[0] == 1
    assert found.accuracy[1:] == pytest.approx([0.5, 0.5], abs=0.15)
    assert found.epsilon[0] == pytest.approx(SEPARATED_AT_64, abs=0.005)
    assert found.epsilon[1:] == pytest.approx([0, 0], abs=0.5)


def test_images_that_say_nothing_alone_give_a_person_away_together() -> None:
    # Both images move together. Their difference has a deviation of .1 √2, and in the runs it is shifted by .4.
    theirs = draw(3, models=800, images=1) + 0.1 * draw(4, models=800, images=2)
    ours = draw(5, models=800, images=1) + 0.1 * draw(6, models=800, images=2) + [0.2, -0.2]
    alone, together = person_attack(ours, theirs, [0, 1]), person_attack(ours, theirs, [0, 0])
    assert alone.accuracy == pytest.approx(norm.cdf([0.1, 0.1]), abs=0.03)
    assert together.accuracy[0] == pytest.approx(norm.cdf(2**0.5), abs=0.02)


def test_identical_pools_cannot_be_told_apart() -> None:
    found = person_attack(draw(1, models=2_000), draw(2, models=2_000), [0, 0, 0, 1, 1, 1])
    assert found.accuracy == pytest.approx([0.5, 0.5], abs=0.03)
    assert found.epsilon == pytest.approx([0, 0], abs=0.05)
    same = person_attack(draw(1), draw(1), np.zeros(6))
    assert same.epsilon[0] == 0


def test_units_of_images_their_order_and_a_swap_of_the_pools_do_not_matter() -> None:
    ours, theirs, units = draw(1, 0.5), draw(2), np.array([1, 2, 0.5, 1, 10, 1])
    found = person_attack(ours, theirs, np.zeros(6))
    for other in (
        person_attack(ours * units + 3, theirs * units + 3, np.zeros(6)),
        person_attack(ours[:, ::-1], theirs[:, ::-1], np.zeros(6)),
        person_attack(theirs, ours, np.zeros(6)),
    ):
        assert other.accuracy == pytest.approx(found.accuracy)
        assert other.epsilon == pytest.approx(found.epsilon)


def test_more_images_than_networks() -> None:
    ours, theirs = draw(1, 0.5, models=32, images=100), draw(2, models=32, images=100)
    assert person_attack(ours, theirs, np.zeros(100)).accuracy[0] > 0.9


def test_margins_without_spread() -> None:
    ones, zeros = np.ones((8, 2)), np.zeros((8, 2))
    assert person_attack(ones, ones, [0, 0]).accuracy[0] == 0.5
    assert person_attack(ones, zeros, [0, 0]).accuracy[0] == 1


def test_what_the_attack_refuses() -> None:
    with pytest.raises(ValueError, match="one per image"):
        person_attack(draw(1), draw(2), [0, 1])
    with pytest.raises(ValueError, match="at least 4"):
        person_attack(draw(1, models=3), draw(2), np.zeros(6))


def test_the_value_of_a_person_is_the_mean_over_their_images() -> None:
    assert mean_of_people(np.array([1.0, 5.0, 3.0]), ["b", "a", "b"]) == pytest.approx([5, 2])
    identities = np.array([2, 1, 1, 2, 2, 7])
    inputs = MeasureInputs(margins={"forget": (draw(1, 1.0), draw(2))}, identities=identities)
    for name in ("klom", "epsilon"):
        images = np.array(measures()[name].of(inputs, intervals=False).each)
        people = measures()[f"person_{name}"].of(inputs, intervals=False)
        assert people.each == pytest.approx([images[identities == one].mean() for one in (1, 2, 7)])
        assert people.values[f"person_{name}_p50"].value == pytest.approx(np.median(people.each))
