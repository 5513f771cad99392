"""The pilot's arithmetic on cases computed by hand; its halves; and the forget sets that are chosen by it."""

import numpy as np
import pytest

from lethe.evaluator.banks.pilot import draw_sides, memorisation, true_probability
from lethe.evaluator.contract.specification import CompetitionSpec, SplitSpec
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.splits import draw_splits


def specification(**split: object) -> CompetitionSpec:
    return CompetitionSpec.model_validate(
        {"slug": "a", "title": "A", "split": {"seed": 3, "difficulty": "high"} | split}
    )


def photographs(people: int, each: int) -> Photographs:
    identities = np.repeat(np.arange(people), each)
    count = len(identities)
    return Photographs(
        images=np.zeros((count, 3, 8, 8), dtype=np.uint8),
        labels=identities % 2,
        identities=identities,
        ages=np.zeros(count, dtype=np.float32),
        classes=2,
    )


def test_true_probability() -> None:
    logits = np.array([[0, np.log(3)], [1000, 0]], dtype=np.float32)
    assert true_probability(logits, np.array([1, 0])) == pytest.approx([0.75, 1])


def test_memorisation_is_with_minus_without() -> None:
    probability = np.array([[0.9, 0.5], [0.2, 0.5], [0.6, 0.4], [0.8, 0.8]])  # two pairs of models, two photographs
    sides = np.array([[0, 1], [1, 0]])  # the first photograph was seen by models 0 and 3, the second by 1 and 2
    assert memorisation(probability, sides) == pytest.approx([(0.7 + 0.2) / 2, (0.0 - 0.4) / 2])


@pytest.mark.parametrize("forget_by", ["identity", "example"])
def test_sides_are_halves_and_keep_people_together(forget_by: str) -> None:
    data = photographs(people=10, each=3)
    sides = draw_sides(specification(forget_by=forget_by, pilot_models=4), data)
    assert sides.shape == (30, 2)
    assert sides.sum(axis=0).tolist() == [15, 15]
    kept = [len(np.unique(sides[data.identities == person], axis=0)) == 1 for person in range(10)]
    assert all(kept) == (forget_by == "identity")
    assert np.array_equal(sides, draw_sides(specification(forget_by=forget_by, pilot_models=4), data))


@pytest.mark.parametrize("forget_by", ["identity", "example"])
@pytest.mark.parametrize("difficulty", ["high", "low"])
def test_the_forget_set_is_at_one_end(forget_by: str, difficulty: str) -> None:
    data = photographs(people=40, each=3)
    known = np.random.default_rng(0).normal(size=len(data))
    spec = SplitSpec.model_validate({"seed": 3, "forget_by": forget_by, "difficulty": difficulty, "final": True})
    splits = draw_splits(data.identities, data.labels, spec, memorisation=known)
    assert splits.final is not None
    forgotten = np.concatenate([splits.public.forget, splits.final.forget])
    rest = np.setdiff1d(splits.public.retain, splits.final.forget)
    if forget_by == "identity":
        assert not set(data.identities[rest]) & set(data.identities[forgotten])
        known = np.array([known[data.identities == one].mean() for one in range(40)])[data.identities]
    sign = 1 if difficulty == "high" else -1
    assert (sign * known[forgotten]).min() > (sign * known[rest]).max()
    drawn = draw_splits(data.identities, data.labels, spec)  # before the pilot: of the same sizes
    assert len(drawn.public.forget) == len(splits.public.forget)
    assert np.array_equal(drawn.public.test, splits.public.test)


def test_a_class_that_is_forgotten_whole_is_named() -> None:
    data = photographs(people=20, each=2)
    spec = SplitSpec.model_validate({"seed": 3, "difficulty": "high", "forget_count": 10})
    with pytest.raises(DataError, match="difficulty = 'high' are those of one class: forget fewer"):
        draw_splits(data.identities, data.labels, spec, memorisation=(data.labels == 1).astype(float))
