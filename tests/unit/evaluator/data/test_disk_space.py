"""A store without room for the oracles is told before anything is trained."""

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import CompetitionSpec, EvaluationSpec, ModelSpec, SplitSpec
from lethe.evaluator.data.disk_space import needed_bytes, require_space
from lethe.evaluator.data.photographs import DataError, without_persons
from lethe.evaluator.data.splits import draw_splits
from lethe.evaluator.preparation import prepare

Usage = namedtuple("Usage", "total used free")
SPEC = CompetitionSpec(
    slug="big",
    title="Big",
    data=SyntheticFacesSpec(seed=0, identities=20, images_per_identity=4, image_size=16, classes=3),
    split=SplitSpec(seed=0),
    model=ModelSpec(architecture="resnet18"),
    evaluation=EvaluationSpec(runs=512, oracles=512, ceiling_oracles=512),
)


def test_too_little_room_stops_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2e10, 1e10, 1e10))
    store = open_store(tmp_path.as_uri())
    with pytest.raises(DataError, match=r"has 10.0 GB of free space.*need about 47.3 GB"):
        prepare(SPEC, store)
    assert not store.list("banks")


def test_what_is_needed_grows_with_oracles_and_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((80, 3, 16, 16), dtype=np.uint8)
    hidden = without_persons(images, np.arange(80) % 3, classes=3)
    once = draw_splits(hidden.identities, hidden.labels, SPEC.split)
    twice = draw_splits(hidden.identities, hidden.labels, SPEC.split.model_copy(update={"final": True}))
    checkpoint = 44_800_000  # bytes of a ResNet-18 with three outputs, give or take one in a hundred
    assert needed_bytes(SPEC, hidden, once, checkpoint=checkpoint) == pytest.approx((1025 + 32) * checkpoint, rel=0.01)
    assert needed_bytes(SPEC, hidden, twice, checkpoint=checkpoint) == pytest.approx(
        (2 * 1025 + 32) * checkpoint, rel=0.01
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 0))
    require_space(SPEC, open_store("memory://"), 1)  # only folders are asked
