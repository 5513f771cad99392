"""Epsilon of the images by the competition's rule, and the quality of strata by memorisation."""

import numpy as np
import pytest

from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.registry import measures
from lethe.evaluator.measures.strata import memorisation
from lethe.evaluator.metrics import Pool, Rule, evaluate

STRATA = tuple(f"quality_{stratum}_memorised" for stratum in ("least", "middle", "most"))


def inputs_with(original: list[float], shifts: list[float], rule: Rule = "exact", runs: int = 32) -> MeasureInputs:
    draw = np.random.default_rng(5)
    ours, theirs = draw.normal(shifts, 1, (runs, len(shifts))), draw.normal(0, 1, (32, len(shifts)))
    return MeasureInputs(margins={"forget": (ours, theirs)}, rule=rule, original=np.array(original))


@pytest.mark.parametrize("rule", ["exact", "competition"])
def test_epsilon_and_strata_are_those_of_the_score(rule: Rule) -> None:
    inputs = inputs_with([8.0, 1.0, 9.0, 4.0, 5.0, 2.0], [9.0, 0.0, 9.0, 1.0, 1.0, 0.0], rule)
    score = evaluate(*(Pool(margins=margins) for margins in inputs.forget), rule=rule)
    assert measures()["epsilon"].of(inputs, intervals=False).each == pytest.approx(score.epsilon)
    thirds = [measures()[name].of(inputs).values[name] for name in STRATA]
    expected = [score.quality[images].mean() for images in ([1, 5], [3, 4], [0, 2])]
    assert [third.value for third in thirds] == pytest.approx(expected)
    assert np.mean([third.value for third in thirds]) == pytest.approx(score.forgetting_quality)
    assert thirds[2].value < thirds[0].value
    assert all(third.low is not None and third.low <= third.value for third in thirds)


def test_memorisation_is_what_training_on_an_image_gave() -> None:
    assert memorisation(np.array([5.0, 1.0]), np.array([[1.0, 1.0], [3.0, 0.0]])) == pytest.approx([3, 0.5])


def test_pools_that_the_rule_refuses_and_too_few_images_have_none() -> None:
    unequal = inputs_with([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], "competition", runs=16)
    for name in ("epsilon", *STRATA):
        assert "as many runs as oracles, not 16 and 32" in measures()[name].of(unequal).absent, name
    assert measures()[STRATA[0]].of(inputs_with([1.0, 2.0], [0.0, 0.0])).absent == "it needs at least 3 forget images"
    nobody_knows = MeasureInputs(margins=unequal.margins)
    assert measures()[STRATA[0]].of(nobody_knows).absent == "it needs the original network's outputs"
