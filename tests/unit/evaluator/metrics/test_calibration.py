"""Ceiling, floor and the score relative to the ceiling."""

import numpy as np
import pytest

from lethe.evaluator.metrics import Pool, calibrate, evaluate, untouched_pool


def pool(seed: int, shift: float = 0.0) -> Pool:
    return Pool(margins=np.random.default_rng(seed).normal(shift, 1, (32, 12)))


BANK = pool(0)
CALIBRATION = calibrate(BANK, pool(1), untouched=untouched_pool(np.full(12, 9.0), 32))


def test_ceiling_is_high_and_floor_is_zero() -> None:
    assert CALIBRATION.ceiling.final_score > 0.8
    assert CALIBRATION.floor is not None
    assert CALIBRATION.floor.final_score == 0
    assert calibrate(BANK, pool(1)).floor is None


def test_normalised_quality() -> None:
    own = CALIBRATION.normalise(CALIBRATION.ceiling)
    assert (own.value, own.standard_error) == (1.0, 0.0)
    score = evaluate(pool(2, 1.0), BANK)
    relative = CALIBRATION.normalise(score)
    assert relative.value == score.forgetting_quality / CALIBRATION.ceiling.forgetting_quality
    assert relative.interval[0] < relative.value < relative.interval[1]


def test_normalising_needs_the_same_rule_and_a_ceiling_above_zero() -> None:
    with pytest.raises(ValueError, match="same rule"):
        CALIBRATION.normalise(evaluate(pool(2), BANK, rule="competition"))
    hopeless = calibrate(BANK, pool(1, 50.0))
    with pytest.raises(ValueError, match="zero"):
        hopeless.normalise(CALIBRATION.ceiling)


def test_untouched_pool_repeats_the_original_model() -> None:
    floor = untouched_pool([1.0, 2.0], 8, retain_accuracy=0.9, test_accuracy=0.5, forget_accuracy=1.0)
    assert floor.margins.tolist() == [[1.0, 2.0]] * 8
    assert floor.retain_accuracy is not None
    assert floor.retain_accuracy.tolist() == [0.9] * 8
    with pytest.raises(ValueError, match=r"\(examples,\)"):
        untouched_pool(np.zeros((2, 2)), 8)
