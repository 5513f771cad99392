"""Relative unlearning accuracy and fidelity by hand."""

import pytest

from lethe.evaluator.measures import fidelity, relative_unlearning_accuracy

LABELS = [0, 1, 2, 3]
RUNS = [[0, 1, 2, 0], [0, 1, 0, 0]]  # accuracies 0.75 and 0.5
ORACLES = [[0, 0, 0, 0], [0, 1, 0, 0], [3, 3, 3, 3]]  # 0.25, 0.5 and 0.25


def test_relative_accuracy_is_signed_and_in_percent() -> None:
    expected = 100 * ((0.75 + 0.5) / 2 - (0.25 + 0.5 + 0.25) / 3)
    assert relative_unlearning_accuracy(RUNS, ORACLES, LABELS) == pytest.approx(expected)
    assert relative_unlearning_accuracy(ORACLES, RUNS, LABELS) == pytest.approx(-expected)


def test_fidelity_is_the_mean_agreement_of_all_pairs() -> None:
    pairs = [sum(a == b for a, b in zip(run, oracle, strict=True)) / 4 for run in RUNS for oracle in ORACLES]
    assert fidelity(RUNS, ORACLES) == pytest.approx(100 * sum(pairs) / len(pairs))
    assert fidelity(RUNS[:1], RUNS[:1]) == 100


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="predictions"):
        fidelity(RUNS, [[0, 1]])
    with pytest.raises(ValueError, match=r"\(4,\)"):
        relative_unlearning_accuracy(RUNS, ORACLES, [0])
