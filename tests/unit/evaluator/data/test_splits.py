"""Splits are disjoint, complete, deterministic, and keep persons and classes where they belong."""

import random
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.model_selection import LeavePGroupsOut

from lethe.evaluator.contract.specification import SplitSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.splits import Split, Splits, draw_splits

SIDES = ("retain", "forget", "validation", "test")
Rows = NDArray[np.int64]


@st.composite
def manifests(draw: st.DrawFn) -> tuple[Rows, Rows, SplitSpec]:
    """Anything from 50 people with one to six photographs in shuffled order, with up to four classes."""
    people = draw(st.integers(50, 80))
    counts = draw(st.lists(st.integers(1, 6), min_size=people, max_size=people))
    names = draw(st.permutations(range(100, 100 + people)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    forget_by = draw(st.sampled_from(["identity", "example", "class", "published"]))
    classes = draw(st.integers(3 if forget_by == "class" else 1, 4))
    label_of = np.arange(people) % classes
    owner = generator.permutation(np.repeat(np.arange(people), counts))
    fraction = st.floats(0.01, 0.2)
    spec = SplitSpec(
        seed=draw(st.integers(0, 2**63 - 1)),
        forget_by=forget_by,
        forget_fraction=draw(fraction),
        validation_fraction=draw(fraction),
        test_fraction=draw(fraction),
        retain_sample=draw(st.integers(1, 400)),
        final=draw(st.booleans()),
    )
    return np.array(names)[owner], label_of[owner], spec


@given(manifests())
@settings(deadline=None)
def test_every_split_keeps_the_promises(manifest: tuple[Rows, Rows, SplitSpec]) -> None:
    identities, labels, spec = manifest
    splits = draw_splits(identities, labels, spec)
    for split in both(splits):
        rows = [getattr(split, side) for side in SIDES]
        assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(len(labels)))
        assert all(len(side) and (np.diff(side) > 0).all() for side in rows)
        assert set(split.retain_sample.tolist()) <= set(split.retain.tolist())
        assert len(split.retain_sample) == len(set(split.retain_sample.tolist()))
        assert len(split.retain_sample) == min(spec.retain_sample, len(split.retain))
        assert_persons_and_classes(identities, labels, split, spec)
    again = draw_splits(identities, labels, spec)
    assert [split.digest for split in both(again)] == [split.digest for split in both(splits)]


@given(manifests(), st.integers(2, 70))
@settings(deadline=None)
def test_no_photograph_is_alone_in_a_batch(manifest: tuple[Rows, Rows, SplitSpec], batch_size: int) -> None:
    identities, labels, spec = manifest
    two = 2 / len(np.unique(identities))  # people, or photographs, so that no part has a single one
    fractions = {name: max(two, getattr(spec, name)) for name in ("forget_fraction", "validation_fraction")}
    spec = spec.model_copy(update=fractions)
    wanted = draw_splits(identities, labels, spec)
    found = draw_splits(identities, labels, spec, batch_size=batch_size)
    for split in both(found):
        rows = np.concatenate([getattr(split, side) for side in SIDES])
        assert len(np.unique(rows)) == len(rows) >= len(labels) - 3
        assert all(len(getattr(split, side)) % batch_size != 1 for side in ("retain", "forget", "validation"))
        assert set(split.retain_sample.tolist()) <= set(split.retain.tolist())
    if all(len(getattr(split, side)) % batch_size != 1 for split in both(wanted) for side in SIDES[:3]):
        assert [split.digest for split in both(found)] == [split.digest for split in both(wanted)]
    if found.final is not None:
        assert np.array_equal(found.public.validation, found.final.validation)


@pytest.mark.parametrize("batch_size", range(2, 40))
def test_one_photograph_is_left_out_where_no_other_draw_would_help(batch_size: int) -> None:
    for people in range(20, 60):
        identities = np.repeat(np.arange(people), 2)  # whoever is drawn, the parts have the same sizes
        split = draw_splits(identities, identities % 3, SplitSpec(seed=people), batch_size=batch_size).public
        sizes = [len(split.retain), len(split.forget), len(split.validation)]
        assert all(size % batch_size != 1 for size in sizes), sizes


def assert_persons_and_classes(identities: Rows, labels: Rows, split: Split, spec: SplitSpec) -> None:
    retain, forget, validation, test = (set(identities[getattr(split, side)].tolist()) for side in SIDES)
    everybody, everything = len(np.unique(identities)), set(labels.tolist())
    if spec.forget_by == "published":
        assert len(forget) == 15
        photographs = len(labels)
        assert len(split.test) == photographs - int(0.9 * photographs)
        assert len(split.validation) == int(0.9 * photographs) - int(0.8 * photographs)
    else:
        assert not test & (retain | forget | validation)
        assert not validation & (retain | forget)
        assert len(validation) == max(1, round(spec.validation_fraction * everybody))
        assert len(test) == max(1, round(spec.test_fraction * everybody))
    if spec.forget_by == "identity":
        assert not forget & retain
        assert len(forget) == max(1, round(spec.forget_fraction * everybody))
    if spec.forget_by == "example":
        assert len(split.forget) == max(1, round(spec.forget_fraction * len(labels)))
    if spec.forget_by == "class":
        forgotten = set(labels[split.forget].tolist())
        assert len(forgotten) == max(1, round(spec.forget_fraction * len(everything)))
        everything -= forgotten
    assert set(labels[split.retain].tolist()) == everything


@given(manifests())
@settings(deadline=None)
def test_the_final_split_forgets_others_and_tests_on_the_same(manifest: tuple[Rows, Rows, SplitSpec]) -> None:
    identities, labels, spec = manifest
    splits = draw_splits(identities, labels, spec.model_copy(update={"final": True}))
    assert splits.final is not None
    public, final = splits.public, splits.final
    assert np.array_equal(public.test, final.test)
    assert np.array_equal(public.validation, final.validation)
    assert not set(public.forget.tolist()) & set(final.forget.tolist())
    assert set(public.forget.tolist()) <= set(final.retain.tolist())
    assert set(final.forget.tolist()) <= set(public.retain.tolist())
    if spec.forget_by in {"identity", "published"}:
        assert not set(identities[public.forget].tolist()) & set(identities[final.forget].tolist())
    if spec.forget_by == "class":
        assert not set(labels[public.forget].tolist()) & set(labels[final.forget].tolist())


def both(splits: Splits) -> list[Split]:
    return [split for split in (splits.public, splits.final) if split is not None]


def test_seed_decides_and_every_person_is_equally_likely() -> None:
    identities, labels = np.repeat(np.arange(40), 3), np.zeros(120, dtype=np.int64)
    forgotten = np.zeros((2, 40))
    for seed in range(1_000):
        splits = draw_splits(identities, labels, SplitSpec(seed=seed, final=True))
        for counts, split in zip(forgotten, both(splits), strict=True):
            counts[np.unique(identities[split.forget])] += 1
    # 4 of 40 people in each of 1,000 splits: mean 100, standard deviation 9.5; 5 of them either way.
    assert (forgotten.sum(axis=1) == 4_000).all()
    assert forgotten.min() > 52
    assert forgotten.max() < 148


def test_the_order_of_photographs_moves_no_person() -> None:
    identities = np.repeat(np.arange(30), 4)
    labels = identities % 3
    order = np.random.default_rng(0).permutation(len(identities))
    first = draw_splits(identities, labels, SplitSpec(seed=9)).public
    second = draw_splits(identities[order], labels[order], SplitSpec(seed=9)).public
    for side in SIDES:
        here, there = getattr(first, side), getattr(second, side)
        assert set(identities[here].tolist()) == set(identities[order][there].tolist())


def test_published_rule_forgets_the_first_fifteen_persons_whose_other_photographs_are_held_out() -> None:
    identities = np.repeat(np.arange(50), 20)
    splits = draw_splits(identities, identities % 5, SplitSpec(seed=0, forget_by="published", final=True))
    assert splits.final is not None
    assert set(identities[splits.public.forget].tolist()) == set(range(15))
    assert set(identities[splits.final.forget].tolist()) == set(range(15, 30))
    assert len(splits.public.test) == len(splits.public.validation) == 100
    held_out = set(identities[splits.public.test].tolist()) | set(identities[splits.public.validation].tolist())
    assert held_out & set(range(15))
    other_seed = draw_splits(identities, identities % 5, SplitSpec(forget_by="published", seed=77)).public
    assert np.array_equal(other_seed.forget, splits.public.forget)


def published(identities: Rows) -> tuple[Rows, Rows, Rows, Rows]:
    """Retain, forget, validation and test as in google-deepmind/unlearning_evaluation, surf.py."""
    examples = list(range(len(identities)))
    random.Random(43).shuffle(examples)  # noqa: S311
    count = len(examples)
    train, validation, test = np.split(np.array(examples), [int(0.8 * count), int(0.9 * count)])
    retain, forget = next(LeavePGroupsOut(n_groups=15).split(train, None, identities[train]))
    return train[retain], train[forget], validation, test


@pytest.mark.parametrize("each", [1, 7])
def test_published_split_is_that_of_2023(each: int) -> None:
    identities = np.random.default_rng(3).permutation(np.repeat(np.arange(100, 160), each))
    labels = np.zeros(len(identities), dtype=np.int64)
    spec = SplitSpec(seed=0, forget_by="published")
    split = draw_splits(identities, labels, spec).public
    parts = published(identities)
    for side, expected in zip(SIDES, parts, strict=True):
        assert np.array_equal(getattr(split, side), np.sort(expected)), side
    # Without some people, as those set aside for practice, everybody else stays where they were.
    hidden = ~np.isin(identities, np.arange(150, 160))
    kept = np.flatnonzero(hidden)
    without = draw_splits(identities[hidden], labels[hidden], spec, hidden=hidden).public
    for side, expected in zip(SIDES, parts, strict=True):
        assert np.array_equal(kept[getattr(without, side)], np.intersect1d(expected, kept)), side


def test_practice_may_not_take_all_of_validation() -> None:
    identities = np.arange(20)
    *_, validation, _ = published(identities)
    hidden = ~np.isin(identities, validation)
    spec = SplitSpec(seed=0, forget_by="published")
    with pytest.raises(DataError, match=r"lower practice.identities"):
        draw_splits(identities[hidden], np.zeros(18, dtype=np.int64), spec, hidden=hidden)


def test_rare_class_is_kept_by_drawing_again() -> None:
    identities = np.repeat(np.arange(20), 2)
    labels = (identities == 7).astype(np.int64)  # one person has a class alone: never forgotten nor tested on
    for seed in range(50):
        splits = draw_splits(identities, labels, SplitSpec(seed=seed, final=True))
        assert all(7 in identities[split.retain] for split in both(splits))


@pytest.mark.parametrize(
    ("identities", "labels", "changes", "message"),
    [
        (np.repeat(np.arange(10), 2), np.repeat(np.arange(10), 2), {}, "no split leaves all 10 classes in retain"),
        (np.repeat(np.arange(4), 5), np.zeros(20, dtype=np.int64), {}, "4 identities are too few"),
        (np.zeros(20, dtype=np.int64), np.arange(20) % 2, {}, "all photographs are of one identity"),
        (np.arange(5), np.zeros(5, dtype=np.int64), {}, "5 photographs are too few"),
        (np.repeat(np.arange(12), 4), np.arange(48) % 2, {"forget_by": "published"}, "needs 17 identities"),
        (np.arange(40), np.arange(40) % 2, {"forget_by": "class", "final": True}, "leave none of 2 classes"),
        (np.arange(9), np.arange(9) % 1, {"forget_by": "example", "forget_fraction": 0.8}, "fewer than two"),
    ],
)  # fmt: skip
def test_what_cannot_be_split(identities: Rows, labels: Rows, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_splits(identities, labels, SplitSpec(seed=0, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forget_by": "example", "forget_fraction": 0.01}, "forget has one photograph.*raise split.forget_fraction"),
        ({"forget_fraction": 0.01}, "forget has one photograph.*raise split.forget_fraction"),
        ({"validation_fraction": 0.01}, "validation has one photograph.*raise split.validation_fraction"),
    ],
)
def test_a_part_of_one_photograph_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_splits(np.arange(40), np.arange(40) % 2, SplitSpec(seed=0, **changes), batch_size=16)


def test_a_count_takes_the_place_of_the_fraction() -> None:
    identities, labels = np.repeat(np.arange(40), 3), np.arange(120) % 4
    for forget_by, chosen in (("identity", 21), ("example", 7)):
        spec = SplitSpec(seed=0, forget_by=forget_by, forget_count=7, final=True)
        splits = draw_splits(identities, labels, spec)
        assert [len(split.forget) for split in both(splits)] == [chosen, chosen]
        assert not set(splits.public.forget) & set(both(splits)[1].forget)
    two = draw_splits(identities, labels, SplitSpec(seed=0, forget_by="class", forget_count=2)).public
    assert len(np.unique(labels[two.forget])) == 2


def test_photographs_of_one_class_are_forgotten() -> None:
    """As --class_to_replace and --num_indexes_to_replace of older unlearning code."""
    identities, labels = np.arange(120), np.arange(120) % 4
    split = draw_splits(
        identities, labels, SplitSpec(seed=0, forget_by="example", forget_class=2, forget_count=9)
    ).public
    assert (len(split.forget), set(labels[split.forget])) == (9, {2})
    assert 2 in labels[split.retain]
    share = draw_splits(identities, labels, SplitSpec(seed=0, forget_by="example", forget_class=2)).public
    assert len(share.forget) == 3  # a tenth of 30
    whole = draw_splits(identities, labels, SplitSpec(seed=0, forget_by="class", forget_class=2)).public
    assert set(labels[whole.forget]) == {2}
    assert 2 not in labels[whole.retain]
    with pytest.raises(DataError, match=r"30 photographs of class 2 are to be forgotten, and \d\d are in neither"):
        draw_splits(identities, labels, SplitSpec(seed=0, forget_by="example", forget_class=2, forget_count=30))


def test_what_is_marked_is_forgotten_and_validation_and_test_show_others() -> None:
    identities, labels = np.repeat(np.arange(20), 3), np.arange(60) % 3
    marked = np.isin(np.arange(60), [0, 4, 5])  # of the first two people
    split = draw_splits(identities, labels, SplitSpec(seed=0, forget="forget.csv"), forgotten=marked).public
    assert split.forget.tolist() == [0, 4, 5]
    assert not {0, 1} & set(identities[np.concatenate((split.validation, split.test))])
    assert {1, 2, 3} <= set(split.retain.tolist())
    again = draw_splits(identities, labels, SplitSpec(seed=0, forget="forget.csv"), forgotten=marked).public
    assert again.digest == split.digest
    spec = SplitSpec(seed=0, forget="forget.csv")
    with pytest.raises(DataError, match=r"no split with all 3 classes in retain .*list fewer to forget"):
        draw_splits(identities, identities % 3, spec, forgotten=identities % 3 == 1)
    with pytest.raises(DataError, match="leaves 1 other identities, too few for 2 in validation and 3 in test"):
        draw_splits(identities, labels, spec, forgotten=identities > 0)


def test_digest_covers_every_side() -> None:
    rows = np.arange(3)
    base = Split(**dict.fromkeys((field.name for field in fields(Split)), rows))
    digests = {replace(base, **{field.name: rows + 1}).digest for field in fields(Split)} | {base.digest}
    assert len(digests) == 6
