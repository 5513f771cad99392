"""Membership attacks on one model."""

import numpy as np
import pytest

from lethe.evaluator.measures import simple_mia, svc_mia


def test_equal_losses_cannot_be_told_apart() -> None:
    generator = np.random.default_rng(0)
    accuracy = simple_mia(generator.exponential(1, 400), generator.exponential(1, 400))
    assert accuracy == pytest.approx(0.5, abs=0.06)


def test_memorised_losses_give_members_away() -> None:
    assert simple_mia(np.zeros(60), np.full(60, 3.0)) == 1.0


def test_balancing_takes_the_reward_for_guessing_the_larger_set() -> None:
    generator = np.random.default_rng(1)
    forget, test = generator.exponential(1, 100), generator.exponential(1, 900)
    assert simple_mia(forget, test, balanced=False) == pytest.approx(0.9, abs=0.01)
    assert simple_mia(forget, test) == pytest.approx(0.5, abs=0.1)
    assert simple_mia(forget, test, seed=3) == simple_mia(forget, test, seed=3)


@pytest.mark.parametrize(
    ("forget", "test", "message"), [([0.1] * 5, [0.2] * 5, "at least 11"), ([np.nan] * 9, [0.1] * 9, "finite")]
)
def test_simple_mia_refuses(forget: list[float], test: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simple_mia(forget, test)


def answers(seed: int, confidence: float, images: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, images)
    logits = generator.normal(size=(images, 4))
    logits[np.arange(images), labels] += confidence
    return logits, labels


def test_forget_images_that_look_trained_on_are_called_members() -> None:
    retain, test = answers(0, 8.0, 200), answers(1, 0.0)
    kept, forgotten = svc_mia(retain, test, answers(2, 8.0)), svc_mia(retain, test, answers(3, 0.0))
    for name in ("correctness", "confidence", "entropy", "modified_entropy", "probability"):
        assert getattr(kept, name) > 0.9, name
        assert getattr(forgotten, name) < 0.4, name


def test_svc_mia_refuses_odd_shapes() -> None:
    with pytest.raises(ValueError, match="finite logits"):
        svc_mia(answers(0, 1.0), answers(1, 1.0), (np.zeros((3, 4)), np.zeros(2)))
    with pytest.raises(ValueError, match="finite logits"):
        svc_mia(answers(0, 1.0), answers(1, 1.0), (np.full((2, 4), np.inf), np.zeros(2)))
