"""Splits are disjoint, complete, by person, deterministic and leave every class in retain."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluator.contract.specification import SplitSpec
from evaluator.data.photographs import DataError
from evaluator.data.splits import Split, split_by_identity

SIDES = ("retain", "forget", "validation", "test")
Rows = NDArray[np.int64]


@st.composite
def manifests(draw: st.DrawFn) -> tuple[Rows, Rows, SplitSpec]:
    """Anything from 12 people with one to six photographs in shuffled order, with up to four classes."""
    people = draw(st.integers(12, 60))
    counts = draw(st.lists(st.integers(1, 6), min_size=people, max_size=people))
    names = draw(st.permutations(range(100, 100 + people)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = draw(st.integers(1, 4))
    label_of = np.arange(people) % classes
    owner = generator.permutation(np.repeat(np.arange(people), counts))
    fraction = st.floats(0.01, 0.25)
    spec = SplitSpec(
        seed=draw(st.integers(0, 2**63 - 1)),
        forget_fraction=draw(fraction),
        validation_fraction=draw(fraction),
        test_fraction=draw(fraction),
        retain_sample=draw(st.integers(1, 400)),
    )
    return np.array(names)[owner], label_of[owner], spec


@given(manifests())
@settings(deadline=None)
def test_every_split_keeps_the_promises(manifest: tuple[Rows, Rows, SplitSpec]) -> None:
    identities, labels, spec = manifest
    split = split_by_identity(identities, labels, spec)
    rows = [getattr(split, side) for side in SIDES]
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(len(labels)))
    people = [set(identities[side].tolist()) for side in rows]
    assert sum(map(len, people)) == len(set().union(*people)) == len(np.unique(identities))
    assert set(labels[split.retain].tolist()) == set(labels.tolist())
    everybody = len(np.unique(identities))
    assert len(people[1]) == max(1, round(spec.forget_fraction * everybody))
    assert len(people[2]) == max(1, round(spec.validation_fraction * everybody))
    assert len(people[3]) == max(1, round(spec.test_fraction * everybody))
    assert set(split.retain_sample.tolist()) <= set(split.retain.tolist())
    assert len(split.retain_sample) == len(set(split.retain_sample.tolist()))
    assert len(split.retain_sample) == min(spec.retain_sample, len(split.retain))
    again = split_by_identity(identities, labels, spec)
    assert again.digest == split.digest


def test_seed_decides_and_every_person_is_equally_likely() -> None:
    identities, labels = np.repeat(np.arange(40), 3), np.zeros(120, dtype=np.int64)
    forgotten = np.zeros(40)
    for seed in range(1_000):
        split = split_by_identity(identities, labels, SplitSpec(seed=seed))
        forgotten[np.unique(identities[split.forget])] += 1
    # 4 of 40 people in each of 1,000 splits: mean 100, standard deviation 9.5; 5 of them either way.
    assert forgotten.sum() == 4_000
    assert forgotten.min() > 52
    assert forgotten.max() < 148


def test_the_order_of_photographs_moves_no_person() -> None:
    identities = np.repeat(np.arange(30), 4)
    labels = identities % 3
    order = np.random.default_rng(0).permutation(len(identities))
    first = split_by_identity(identities, labels, SplitSpec(seed=9))
    second = split_by_identity(identities[order], labels[order], SplitSpec(seed=9))
    for side in SIDES:
        here, there = getattr(first, side), getattr(second, side)
        assert set(identities[here].tolist()) == set(identities[order][there].tolist())


def test_rare_class_is_kept_by_drawing_again() -> None:
    identities = np.repeat(np.arange(20), 2)
    labels = (identities == 7).astype(np.int64)  # one person has a class alone: never forgotten nor tested on
    for seed in range(50):
        assert 7 in identities[split_by_identity(identities, labels, SplitSpec(seed=seed)).retain]


def test_class_that_cannot_be_kept() -> None:
    identities = np.repeat(np.arange(10), 2)
    with pytest.raises(DataError, match="no split leaves all 10 classes in retain"):
        split_by_identity(identities, identities, SplitSpec())


def test_too_few_people() -> None:
    identities = np.repeat(np.arange(4), 5)
    with pytest.raises(DataError, match="4 identities are too few"):
        split_by_identity(identities, np.zeros(20, dtype=np.int64), SplitSpec())


def test_digest_covers_every_side() -> None:
    rows = np.arange(3)
    base = dict.fromkeys((field.name for field in fields(Split)), rows)
    digests = {Split(**(base | {name: rows + 1})).digest for name in base} | {Split(**base).digest}
    assert len(digests) == 6
