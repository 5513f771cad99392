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
    assert own is not None
    assert (own.value, own.standard_error) == (1.0, 0.0)
    score = evaluate(pool(2, 1.0), BANK)
    relative = CALIBRATION.normalise(score)
    assert relative is not None
    assert relative.value == score.forgetting_quality / CALIBRATION.ceiling.forgetting_quality
    assert relative.interval[0] < relative.value < relative.interval[1]


def test_normalising_needs_the_same_rule() -> None:
    with pytest.raises(ValueError, match="same rule"):
        CALIBRATION.normalise(evaluate(pool(2), BANK, rule="competition"))


def test_nothing_is_relative_to_a_ceiling_of_zero() -> None:
    hopeless = calibrate(BANK, pool(1, 50.0))
    assert (hopeless.ceiling.final_score, hopeless.ceiling.interval) == (0.0, (0.0, 0.0))
    assert hopeless.normalise(CALIBRATION.ceiling) is None


def test_nothing_is_relative_to_a_ceiling_that_is_zero_without_a_group() -> None:
    # One oracle inside the other pool's range: without it, a threshold separates the pools.
    second = np.full((32, 1), 50.0) + pool(1).margins[:, :1]
    second[3] = BANK.margins[:, 0].mean()
    bank = Pool(margins=BANK.margins[:, :1])
    nearly = calibrate(bank, Pool(margins=second))
    assert nearly.ceiling.forgetting_quality > nearly.ceiling.quality_replicates[3] == 0
    assert nearly.normalise(evaluate(bank, bank)) is None


def test_untouched_pool_repeats_the_original_model() -> None:
    floor = untouched_pool([1.0, 2.0], 8, retain_accuracy=0.9, test_accuracy=0.5, forget_accuracy=1.0)
    assert floor.margins.tolist() == [[1.0, 2.0]] * 8
    assert floor.retain_accuracy is not None
    assert floor.retain_accuracy.tolist() == [0.9] * 8
    with pytest.raises(ValueError, match=r"\(examples,\)"):
        untouched_pool(np.zeros((2, 2)), 8)
