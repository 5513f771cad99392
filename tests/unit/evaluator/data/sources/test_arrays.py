"""Arrays become photographs, or are refused with what to change."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lethe.evaluator.contract.data_sources import ArraysSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources.arrays import CHUNK, read_arrays
from lethe.evaluator.data.sources.files import Files

SPEC = ArraysSpec(source="arrays", image_size=16, classes=3)
Arrays = dict[str, NDArray[Any]]


def arrays(count: int = 12, shape: tuple[int, ...] = (16, 16, 3)) -> Arrays:
    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(256, size=(count, *shape), dtype=np.uint8),
        "labels": np.arange(count, dtype=np.uint8) % 3,
        "identities": np.array([f"Änn {row // 2}" for row in range(count)]),
    }


def write(folder: Path, given: Arrays) -> Files:
    for name, array in given.items():
        np.save(folder / f"{name}.npy", array)
    return Files(folder)


def test_a_folder_and_an_npz_give_the_same(tmp_path: Path) -> None:
    given = arrays()
    (tmp_path / "single").mkdir()
    (tmp_path / "packed").mkdir()
    read = read_arrays(SPEC, write(tmp_path / "single", given))
    assert np.array_equal(read.images, given["images"].transpose(0, 3, 1, 2))
    assert read.labels.tolist() == [0, 1, 2] * 4
    assert read.identities.tolist() == [row // 2 for row in range(12)]
    np.savez_compressed(tmp_path / "packed/data.npz", **given)
    for folder in (tmp_path / "packed", tmp_path / "packed/data.npz"):
        assert np.array_equal(read_arrays(SPEC, Files(folder)).images, read.images)


def test_other_shapes_are_cut_to_their_middle_and_scaled(tmp_path: Path) -> None:
    given = arrays(CHUNK + 8, (20, 32))
    given["images"][:, :, :6] = given["images"][:, :, -6:] = 0
    given["images"][:, :, 6:26] = (np.arange(CHUNK + 8) % 251)[:, None, None]
    del given["identities"]
    reports: list[tuple[int, int]] = []
    files = write(tmp_path, given)
    files.report = lambda done, total: reports.append((done, total))
    read = read_arrays(SPEC, files)
    assert read.images.shape == (CHUNK + 8, 3, 16, 16)
    assert np.array_equal(read.images, np.broadcast_to(read.images[:, :1, :1, :1], read.images.shape))
    assert read.images[:, 0, 0, 0].tolist() == [row % 251 for row in range(CHUNK + 8)]
    assert len(np.unique(read.identities)) == CHUNK + 8
    assert reports[-1] == (CHUNK + 8, CHUNK + 8)


def changed(**changes: Any) -> Arrays:
    return {name: array for name, array in (arrays() | changes).items() if array is not None}


NAN = np.full((12, 16, 16, 3), 0.5, dtype=np.float32)
NAN[7, 3, 3] = np.nan
SAME = arrays()["images"]
SAME[5] = SAME[1]
BAD = {
    "no_images": (changed(images=None), "images is missing; there must be arrays images and labels"),
    "no_labels": (changed(labels=None), "labels is missing"),
    "float": (changed(images=np.zeros((12, 16, 16, 3))), r"float64; they must be uint8 from 0 to 255: convert them"),
    "nan": (changed(images=NAN), "image 7 have NaN or infinite values; replace them, then convert"),
    "turned": (
        changed(images=np.zeros((12, 3, 16, 16), np.uint8)),
        r"yours look like \(N, C, H, W\): images.transpose",
    ),
    "alpha": (changed(images=np.zeros((12, 16, 16, 4), np.uint8)), "with one or three channels"),
    "flat": (changed(images=np.zeros((12, 768), np.uint8)), r"must be \(N, H, W, C\)"),
    "few": ({name: array[:4] for name, array in arrays().items()}, "4 images are too few"),
    "lengths": (changed(labels=arrays(15)["labels"]), "12 images and 15 labels; there must be one label an image"),
    "label_nan": (
        changed(labels=np.array([0, 1, 2, np.nan] * 3)),
        r"labels are \(12,\) float64, NaN at row 3, row 7, row 11; they must be \(N,\) whole numbers",
    ),
    "one_hot": (changed(labels=np.eye(3, dtype=np.int64)[[0, 1, 2] * 4]), r"labels are \(12, 3\) int64; they must be"),
    "range": (
        changed(labels=np.array([1, 2, 3] * 4)),
        r"must go from 0 to data.classes - 1 = 2: row 2 \(3\), row 5 \(3\)",
    ),
    "holes": (changed(labels=np.array([0, 2] * 6)), "labels have holes: no image of class 1 among 3 classes"),
    "identities": (changed(identities=np.arange(11)), r"identities are \(11,\) int64; they must be \(12,\)"),
    "objects": (changed(identities=np.array(["a"] * 11 + [None])), "Python objects in it, which are never unpickled"),
    "no_name": (changed(identities=np.array(["a", " "] * 6)), "must not be empty: row 1, row 3"),
    "two_spellings": (
        changed(identities=np.array(["Ann", "Bo", "Ann\u200b"] * 4)),
        r"row 0 \('Ann'\) and row 2 \('Ann\\u200b'\): one identity in two spellings",
    ),
    "same_picture": (changed(images=SAME), "image 1 and image 5 are the same picture under two identities"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_said(tmp_path: Path, given: Arrays, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_arrays(SPEC, write(tmp_path, given))


def test_files_that_are_no_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"add --data FOLDER, the folder with images.npy, labels.npy"):
        read_arrays(SPEC, Files())
    with pytest.raises(DataError, match="images is missing"):
        read_arrays(SPEC, Files(tmp_path))
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"cannot read .*a.npz"):
        read_arrays(SPEC, Files(tmp_path))
    (tmp_path / "b.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"has 2 .npz files: name one of them with --data"):
        read_arrays(SPEC, Files(tmp_path))
    write(tmp_path, arrays())
    with pytest.raises(DataError, match=r"has both .npy files and a.npz"):
        read_arrays(SPEC, Files(tmp_path))
