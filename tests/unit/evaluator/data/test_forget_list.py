"""A forget set by hand is taken as it is listed, or every wrong line is named."""

from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources import Files, load_collection, practice_photographs
from tests.photographs import make_image_folder

BASE = {
    "slug": "c",
    "title": "C",
    "split": {"seed": 1, "forget": "forget.csv"},
    "practice": {"identities": 8},
}
FOLDER = CompetitionSpec.model_validate(
    BASE | {"data": {"source": "image-folder", "image_size": 16, "classes": 3}},
)
ARRAYS = CompetitionSpec.model_validate(BASE | {"data": {"source": "arrays", "image_size": 16, "classes": 2}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_image_folder(root, people=20)
    return root


def files(folder: Path, table: str) -> Files:
    (folder / "forget.csv").write_text(table, encoding="utf-8-sig")
    return Files(folder, beside=folder)


def test_people_are_forgotten_with_all_their_photographs(folder: Path) -> None:
    given = files(folder, "Identity\nperson-03\nperson-17\n")
    found = load_collection(FOLDER, given)
    assert found.forgotten is not None
    assert given.origin is not None
    hidden = np.flatnonzero(found.is_hidden)[found.forgotten]
    assert {given.origin.people[row] for row in hidden} == {"person-03", "person-17"}
    assert len(hidden) == sum(one in {"person-03", "person-17"} for one in given.origin.people)
    again = practice_photographs(FOLDER, Files(folder, beside=folder))
    assert np.array_equal(again.images, found.practice.images)


def test_single_images_are_forgotten(folder: Path) -> None:
    found = load_collection(FOLDER, files(folder, "image\nperson-00/000.jpg\nperson-00/001.jpg\n"))
    assert found.forgotten is not None
    assert found.forgotten.sum() == 2


def test_arrays_have_rows_and_names(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", generator.integers(256, size=(40, 16, 16, 3), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(40) % 2)
    by_row = load_collection(ARRAYS, files(tmp_path, "image\n7\n39\n"))
    assert by_row.forgotten is not None
    assert np.flatnonzero(by_row.is_hidden)[by_row.forgotten].tolist() == [7, 39]
    with pytest.raises(DataError, match="does not say who is on its images: list them in a column image"):
        load_collection(ARRAYS, files(tmp_path, "identity\n7\n"))
    np.save(tmp_path / "identities.npy", np.array([f"p{row // 2}" for row in range(40)]))
    by_name = load_collection(ARRAYS, files(tmp_path, "identity\np5\n"))
    assert by_name.forgotten is not None
    assert np.flatnonzero(by_name.is_hidden)[by_name.forgotten].tolist() == [10, 11]


def test_people_with_one_image_each_are_found_in_either_form_of_an_accent(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", generator.integers(256, size=(40, 16, 16, 3), dtype=np.uint8))
    np.save(tmp_path / "labels.npy", np.arange(40) % 2)
    np.save(tmp_path / "identities.npy", np.array([f"Zoe\u0308 {row}" for row in range(40)]))
    found = load_collection(ARRAYS, files(tmp_path, "identity\nZo\u00eb 5\n"))
    assert found.forgotten is not None
    assert np.flatnonzero(found.is_hidden)[found.forgotten].tolist() == [5]


BAD = {
    "column": ("name\nperson-03\n", "must have one column, called identity or image"),
    "columns": ("identity,image\nperson-03,x\n", "must have one column, called identity or image"),
    "empty": ("identity\n\n", "lists nothing"),
    "several": ("identity\nperson-03,person-04\n", "line 2 has several values"),
    "unknown": ("identity\nperson-3\n", "line 2: there is no identity 'person-3'; did you mean 'person-\\d+'"),
    "twice": ("identity\nperson-03\nperson-04\nperson-03\n", r"line 2 and line 4 \('person-03'\): is listed twice"),
    "too_many": ("identity\n" + "".join(f"person-{one:02d}\n" for one in range(15)), "leaves 5 identities that may"),
}


@pytest.mark.parametrize(("table", "message"), BAD.values(), ids=BAD)
def test_wrong_tables_are_named(folder: Path, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_collection(FOLDER, files(folder, table))


def test_a_table_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*forget.csv"):
        load_collection(FOLDER, Files(folder, beside=tmp_path))
    with pytest.raises(DataError, match="is read from beside the specification, which is no file here"):
        load_collection(FOLDER, Files(folder))
    elsewhere = FOLDER.split.model_copy(update={"forget": "../forget.csv"})
    with pytest.raises(DataError, match="must be a file beside the specification"):
        load_collection(FOLDER.model_copy(update={"split": elsewhere}), Files(folder, beside=folder))
