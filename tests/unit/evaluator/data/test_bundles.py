"""Bundles hold what each side may know, and nothing in them tells how the split came about."""

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from lethe.evaluator.contract.specification import SplitSpec
from lethe.evaluator.data.bundles import anonymise, evaluation_bundle, visible_bundle
from lethe.evaluator.data.photographs import Photographs
from lethe.evaluator.data.splits import Split, draw_splits

PEOPLE, EACH = 40, 5


def made() -> tuple[Photographs, Split, dict[str, NDArray[np.generic]], dict[str, NDArray[np.generic]]]:
    generator = np.random.default_rng(0)
    identities = np.repeat(np.arange(PEOPLE), EACH)
    photographs = Photographs(
        images=generator.integers(0, 256, (PEOPLE * EACH, 3, 4, 4), dtype=np.uint8),
        labels=identities % 4,
        identities=identities,
        ages=(identities + 0.5).astype(np.float32),
        classes=4,
    )
    split = draw_splits(identities, photographs.labels, SplitSpec(seed=0, retain_sample=10)).public
    anonymous = anonymise(identities, seed=3)
    visible = load(visible_bundle(photographs, split, anonymous))
    return photographs, split, visible, load(evaluation_bundle(photographs, split, anonymous, seed=3))


def test_visible_bundle_has_exactly_the_participants_parts() -> None:
    photographs, split, visible, _ = made()
    fields = {"images": np.uint8, "labels": np.int64, "image_id": np.int64, "person_id": np.int64, "age": np.float32}
    assert set(visible) == {f"{part}.{field}" for part in ("retain", "forget", "validation") for field in fields}
    for part in ("retain", "forget", "validation"):
        assert len(visible[f"{part}.labels"]) == len(getattr(split, part))
        assert all(visible[f"{part}.{field}"].dtype == dtype for field, dtype in fields.items())
    shown = {image.tobytes() for part in ("retain", "forget", "validation") for image in visible[f"{part}.images"]}
    assert not shown & {image.tobytes() for image in photographs.images[split.test]}


def test_rows_stay_together() -> None:
    photographs, _, visible, evaluation = made()
    row_of = {image.tobytes(): row for row, image in enumerate(photographs.images)}
    for bundle, parts in (
        (visible, ("retain", "forget", "validation")),
        (evaluation, ("forget", "test", "retain_sample", "validation")),
    ):
        for part in parts:
            rows = [row_of[image.tobytes()] for image in bundle[f"{part}.images"]]
            assert np.array_equal(bundle[f"{part}.labels"], photographs.labels[rows])
    rows = [row_of[image.tobytes()] for image in visible["retain.images"]]
    assert np.array_equal(visible["retain.age"], photographs.ages[rows])


def test_evaluation_rows_are_in_the_visible_order() -> None:
    _, _, visible, evaluation = made()
    for part in ("forget", "validation"):
        for field in ("images", "labels", "person_id"):
            assert np.array_equal(visible[f"{part}.{field}"], evaluation[f"{part}.{field}"])
    copied = evaluation["forget.images"][evaluation["copies.rows"]]
    assert np.array_equal(evaluation["flipped.images"], copied[..., ::-1])
    assert "flipped.images" not in visible


def test_person_ids_group_as_the_people_do() -> None:
    photographs, _, visible, _ = made()
    row_of = {image.tobytes(): row for row, image in enumerate(photographs.images)}
    pairs = {
        (int(person), int(photographs.identities[row_of[image.tobytes()]]))
        for part in ("retain", "forget", "validation")
        for person, image in zip(visible[f"{part}.person_id"], visible[f"{part}.images"], strict=True)
    }
    assert len(pairs) == len({person for person, _ in pairs}) == len({identity for _, identity in pairs})


def test_ids_do_not_depend_on_the_split_and_hide_the_source_order() -> None:
    identities = np.repeat(np.arange(PEOPLE), EACH)
    anonymous = anonymise(identities, seed=3)
    assert sorted(anonymous.image_id.tolist()) == list(range(PEOPLE * EACH))
    assert sorted(set(anonymous.person_id.tolist())) == list(range(PEOPLE))
    assert np.array_equal(anonymise(identities, seed=3).image_id, anonymous.image_id)
    assert not np.array_equal(anonymise(identities, seed=4).image_id, anonymous.image_id)
    correlation = np.corrcoef(anonymous.image_id, np.arange(PEOPLE * EACH))[0, 1]
    assert abs(correlation) < 0.25  # 200 values: 3.5 standard deviations of a random permutation's
    _, _, visible, _ = made()
    assert (np.diff(visible["retain.image_id"].astype(np.int64)) > 0).all()
