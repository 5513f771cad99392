"""Margins and losses from logits."""

import math

import numpy as np
import pytest

from lethe.evaluator.metrics import cross_entropy, margins, true_logits


def test_margin_of_two_classes_is_the_difference_of_logits() -> None:
    logits = np.array([[[2.0, -1.0], [0.5, 0.5]]], dtype=np.float32)
    np.testing.assert_allclose(margins(logits, [0, 1]), [[3.0, 0.0]], atol=1e-6)


def test_margin_of_three_classes_by_hand() -> None:
    logits = np.log(np.array([[[0.2, 0.3, 0.5]]], dtype=np.float32))
    assert margins(logits, [2])[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert margins(logits, [0])[0, 0] == pytest.approx(math.log(0.2 / 0.8), abs=1e-6)


@pytest.mark.parametrize("size", [1e4, 1e30, 3.4e38])
def test_huge_logits_end_at_the_limit(size: float) -> None:
    logits = np.array([[[size, -size, 0.0]]], dtype=np.float32)
    limit = -math.log(1e-45)
    assert margins(logits, [0])[0, 0] == pytest.approx(limit)
    assert margins(logits, [1])[0, 0] == pytest.approx(-limit)
    assert np.isfinite(cross_entropy(logits, [1])).all()


def test_equal_huge_logits_mean_chance() -> None:
    logits = np.full((2, 3, 10), 3e38, dtype=np.float32)
    np.testing.assert_allclose(margins(logits, [0, 4, 9]), math.log(0.1 / 0.9))
    np.testing.assert_allclose(cross_entropy(logits, [0, 4, 9]), math.log(10))


def test_exponential_is_rounded_to_float32() -> None:
    # exp(−100) in float32 is a denormal with few digits; float64 would keep the margin at 100 exactly.
    logits = np.array([[[100.0, 0.0]]], dtype=np.float32)
    weight = float(np.exp(np.float32(-100.0)))
    assert margins(logits, [0])[0, 0] == pytest.approx(-math.log(weight + 1e-45), abs=1e-9)
    assert abs(margins(logits, [0])[0, 0] - 100) > 1e-3


def test_blocks_of_runs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(7, 5, 4)).astype(np.float32)
    labels = generator.integers(0, 4, 5)
    whole, losses = margins(logits, labels), cross_entropy(logits, labels)
    monkeypatch.setattr("lethe.evaluator.metrics.logits._CHUNK_BYTES", 1)
    assert np.array_equal(margins(logits, labels), whole)
    assert np.array_equal(cross_entropy(logits, labels), losses)
    # log p − log(1 − p) and −log p describe the same probability.
    np.testing.assert_allclose(np.exp(-losses), 1 / (1 + np.exp(-whole)), atol=1e-6)


def test_true_logits_are_those_of_the_label() -> None:
    logits = np.array([[[2.0, -1.0, 0.25], [0.5, 3.0, 7.0]], [[1.0, 4.0, 0.0], [9.0, 8.0, 6.5]]], dtype=np.float32)
    found = true_logits(logits, [1, 2])
    assert found.dtype == np.float64
    assert found.tolist() == [[-1.0, 7.0], [4.0, 6.5]]


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), [0, 0, 0], "shape"),
        (np.zeros((2, 3, 1)), [0, 0, 0], "classes"),
        (np.zeros((2, 3, 4)), [0, 0], r"\(3,\)"),
        (np.zeros((2, 3, 4)), [0, 0, 4], r"\[0, 4\)"),
        (np.zeros((2, 3, 4)), [0.0, 0.0, 1.0], "integers"),
        (np.full((2, 3, 4), np.nan), [0, 0, 1], "finite"),
    ],
)
def test_wrong_arguments(logits: np.ndarray, labels: list[float], message: str) -> None:
    for quantity in (margins, cross_entropy, true_logits):
        with pytest.raises(ValueError, match=message):
            quantity(logits, labels)


def test_no_examples() -> None:
    assert margins(np.zeros((3, 0, 4), np.float32), np.zeros(0, int)).shape == (3, 0)
