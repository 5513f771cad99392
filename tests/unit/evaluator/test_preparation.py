"""A prepared competition is complete, reproducible and measured; what cannot work is refused before training."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.artifacts.oracles import trained_indices
from lethe.evaluator.artifacts.outputs import read_outputs
from lethe.evaluator.banks.seeding import FIRST_ORACLES, Progress
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    PracticeSpec,
    SplitSpec,
    TrainingSpec,
)
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.preparation import prepare

pytestmark = pytest.mark.slow

SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=SyntheticFacesSpec(seed=0, identities=20, images_per_identity=4, image_size=16, classes=3),
    split=SplitSpec(seed=0, retain_sample=30),
    training=TrainingSpec(epochs=25, batch_size=16, learning_rate=3e-3),
)


def test_prepare_twice(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    reports: list[Progress] = []
    prepared_competition = prepare(SPEC, store, jobs=2, progress=reports.append)
    assert [(report.stage, report.done, report.total) for report in reports] == [
        *(("data", done, 2) for done in range(3)),
        *(("models", done, 4) for done in range(5)),
    ]

    counts = prepared_competition.public.counts
    assert (counts.identities, counts.forget_identities, counts.classes) == (20, 2, 3)
    assert (counts.retain, counts.forget, counts.validation, counts.test, counts.retain_sample) == (52, 8, 8, 12, 30)
    visible, evaluation = (
        load(store.get(prepared_competition.public.visible)),
        load(store.get(prepared_competition.public.evaluation)),
    )
    practice = load(store.get(prepared_competition.practice.visible))
    assert len(visible["forget.images"]) == len(evaluation["forget.images"]) == 8
    assert len(evaluation["test.images"]) == 12
    assert not {image.tobytes() for image in visible["retain.images"]} & {
        image.tobytes() for image in practice["retain.images"]
    }
    assert Image.open(io.BytesIO(store.get(prepared_competition.contact_sheet))).format == "PNG"

    figures = prepared_competition.public.figures
    outputs = read_outputs(store.get(prepared_competition.public.original_outputs))
    correct = outputs.logits["forget"].argmax(axis=1) == evaluation["forget.labels"]
    assert figures.original_forget_accuracy == outputs.accuracy["forget"] == pytest.approx(correct.mean())
    assert figures.original_retain_accuracy > 0.9
    assert figures.original_forget_accuracy > 0.9  # the original has seen them
    assert 0 < figures.retrain_wall_s < 60
    assert figures.chance == pytest.approx(1 / 3)
    most_frequent = np.bincount(visible["retain.labels"]).argmax()
    assert figures.majority == pytest.approx((evaluation["test.labels"] == most_frequent).mean())
    assert trained_indices(store, prepared_competition.public.bank_digest) == list(range(FIRST_ORACLES))
    assert {"python", "torch", "numpy"} <= set(prepared_competition.environment)

    before = store.list("")
    assert prepare(SPEC, store, jobs=1) == prepared_competition
    assert store.list("") == before


def test_the_final_split_has_models_of_its_own_and_leaves_the_public_one_alone() -> None:
    spec = SPEC.model_copy(
        update={
            "data": SPEC.data.model_copy(update={"identities": 24}),
            "split": SPEC.split.model_copy(update={"final": True}),
            "training": SPEC.training.model_copy(update={"epochs": 1}),
        }
    )
    store = open_store("memory://")
    prepared_competition = prepare(spec, store, jobs=2)
    assert list(prepared_competition.splits) == ["public", "final"]
    public, final = prepared_competition.public, prepared_competition.final
    assert final is not None
    assert public.bank_digest != final.bank_digest
    assert public.original != final.original
    assert trained_indices(store, final.bank_digest) == list(range(FIRST_ORACLES))
    first, second = (load(store.get(split.visible)) for split in (public, final))
    held, tested = (load(store.get(split.evaluation)) for split in (public, final))
    assert np.array_equal(held["test.images"], tested["test.images"])
    assert not {image.tobytes() for image in first["forget.images"]} & {
        image.tobytes() for image in second["forget.images"]
    }
    alone = prepare(spec.model_copy(update={"split": spec.split.model_copy(update={"final": False})}), store, jobs=2)
    assert list(alone.splits) == ["public"]


def test_a_photograph_that_would_be_a_batch_of_its_own_is_left_out() -> None:
    spec = SPEC.model_copy(update={"evaluation": EvaluationSpec(batch_size=51)})  # 52 retained images
    counts = prepare(spec, open_store("memory://"), jobs=2).public.counts
    assert (counts.retain, counts.left_out) == (51, 1)


def test_data_that_cannot_be_split_is_refused() -> None:
    spec = SPEC.model_copy(
        update={"data": SyntheticFacesSpec(seed=0, identities=10, images_per_identity=2, classes=10)}
    )
    store = open_store("memory://")
    with pytest.raises(DataError, match="no split leaves all 10 classes"):
        prepare(spec, store)
    assert not list(store.list(""))


def test_practice_data_that_cannot_be_split_are_named_and_nothing_is_stored() -> None:
    data = SyntheticFacesSpec(seed=0, identities=60, images_per_identity=2, image_size=16, classes=8)
    spec = SPEC.model_copy(update={"data": data, "practice": PracticeSpec(identities=8)})
    store = open_store("memory://")
    with pytest.raises(DataError, match="16 photographs to practise on cannot be split: no split leaves all 8 classes"):
        prepare(spec, store)
    assert not list(store.list(""))


def test_demo_has_something_to_forget() -> None:
    spec = load_specification("demo")
    assert spec.evaluation.runs >= 32
    prepared_competition = prepare(spec, open_store("memory://"), jobs=2)
    figures = prepared_competition.public.figures
    assert prepared_competition.public.counts.forget >= 60
    assert figures.original_forget_accuracy - figures.oracle_forget_accuracy > 0.3
    assert figures.oracle_test_accuracy > 3 * figures.chance
    assert figures.oracle_test_accuracy > 3 * figures.majority
    assert figures.original_retain_accuracy > 0.97  # otherwise the ratios of utility would say little
    assert figures.oracle_retain_accuracy > 0.97


def test_digits_are_prepared() -> None:
    spec = load_specification("digits").with_seeds(lambda: 5)
    recipe = spec.training.model_copy(update={"epochs": 3})
    small = spec.model_copy(update={"training": recipe, "split": spec.split.model_copy(update={"final": False})})
    prepared_competition = prepare(small, open_store("memory://"), jobs=2)
    data, counts, figures = (
        prepared_competition.data,
        prepared_competition.public.counts,
        prepared_competition.public.figures,
    )
    assert (data.images, data.identities, data.practice_images, data.skipped) == (1497, 1497, 300, 0)
    assert sum(data.class_counts) == 1497
    assert 75 < counts.forget == counts.forget_identities < 150  # one digit of ten, but for validation and test
    assert counts.retain + counts.forget + counts.validation + counts.test == 1497
    assert figures.original_test_accuracy > 0.8
    assert figures.oracle_test_accuracy > 0.7  # of the forgotten digit it gets all wrong
    assert figures.original_forget_accuracy > 0.8
    assert figures.oracle_forget_accuracy == 0.0
