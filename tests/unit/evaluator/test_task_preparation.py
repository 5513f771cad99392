"""Tasks that read the same photographs: nobody is hidden in one and public in another."""

from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.artifacts import open_store
from lethe.evaluator.contract.data_sources import ArraysSpec, CasiaSurfSpec
from lethe.evaluator.contract.parts import task_specs
from lethe.evaluator.contract.specification import (
    CompetitionSpec,
    EvaluationSpec,
    PracticeSpec,
    SplitSpec,
    TaskSpec,
    TrainingSpec,
)
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources import Files, load_collection
from lethe.evaluator.task_preparation import files_of_task, prepare_tasks, survey_tasks

PEOPLE, EACH = 30, 4
DATA = ArraysSpec(source="arrays", image_size=16, classes=3)
LISTED = ["2", "3", "5", "7", "11", "13", "17", "19"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arrays of people whose pictures have the number of the person as brightness, and a list of those to forget."""
    folder = tmp_path_factory.mktemp("arrays")
    people = np.repeat(np.arange(PEOPLE), EACH)
    noise = np.random.default_rng(0).integers(0, 3, (len(people), 16, 16, 3))
    np.save(folder / "images.npy", (7 * people[:, None, None, None] + noise).astype(np.uint8))
    np.save(folder / "labels.npy", people % 3)
    np.save(folder / "identities.npy", people)
    (folder / "forget.csv").write_text("identity\n" + "".join(f"{person}\n" for person in LISTED))
    return folder


def spec(*tasks: TaskSpec) -> CompetitionSpec:
    return CompetitionSpec(
        slug="mixed",
        title="Mixed",
        tasks=tasks,
        practice=PracticeSpec(seed=4, identities=8, oracles=0),
        evaluation=EvaluationSpec(runs=8, oracles=8, ceiling_oracles=8),
    )


def task(name: str, *, data: ArraysSpec = DATA, **split: object) -> TaskSpec:
    chosen = SplitSpec.model_validate({"seed": 1, "forget_fraction": 0.2, "retain_sample": 8} | split)
    return TaskSpec(name=name, data=data, split=chosen, training=TrainingSpec(epochs=1, batch_size=16))


def practice_people(collection_of: CompetitionSpec, files: Files) -> set[int]:
    return {int(image.mean()) // 7 for image in load_collection(collection_of, files).practice.images}


def test_whom_another_task_lists_is_not_practised_on(folder: Path) -> None:
    (own,) = task_specs(spec(task("drawn")))
    files = Files(folder=folder, beside=folder)
    listed = {int(person) for person in LISTED}
    assert practice_people(own, files) & listed
    kept = Files(folder=folder, beside=folder, kept_hidden=("forget.csv",))
    assert not practice_people(own, kept) & listed


def test_a_task_alone_gets_the_files_that_it_has_among_the_others(folder: Path) -> None:
    two = spec(task("drawn"), task("listed", forget="forget.csv", forget_fraction=0.1))
    own, files = task_specs(two)[0], files_of_task(two, "drawn", Files(folder=folder, beside=folder))
    assert files.kept_hidden == ("forget.csv",)
    assert not practice_people(own, files) & {int(person) for person in LISTED}


def test_one_folder_read_by_two_tables_is_refused_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    larger = DATA.model_copy(update={"image_size": 24})
    store = open_store(tmp_path.as_uri())
    two = spec(task("small"), task("large", data=larger, seed=2))
    for call in (
        lambda: prepare_tasks(two, store, files=Files(folder=folder)),
        lambda: survey_tasks(two, Files(folder=folder)),
    ):
        with pytest.raises(DataError, match=r"^task 'small': it reads the same photographs as task 'large' by another"):
            call()
    assert not list(tmp_path.iterdir())


def test_tasks_that_set_other_people_apart_for_practice_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    data = CasiaSurfSpec(source="casia-surf")
    two = spec(
        TaskSpec(name="as in 2023", data=data, split=SplitSpec(forget_by="published")),
        TaskSpec(name="drawn", data=data, split=SplitSpec(seed=1)),
    )
    said = r"^task 'as in 2023': it sets other people apart for practice than task 'drawn'.*hidden in one and public in"
    with pytest.raises(DataError, match=said):
        prepare_tasks(two, open_store(tmp_path.as_uri()), files=Files(folder=tmp_path / "none"))
