"""Digits, CIFAR and SVHN: read as published, refused with the address of the files when they are not there."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from lethe.evaluator.contract.data_sources import Cifar10Spec, Cifar100Spec, DigitsSpec, SvhnSpec
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources import READERS, Files, set_aside
from lethe.evaluator.data.sources.digits import read_digits


def test_digits_are_real_and_each_is_an_identity() -> None:
    read = read_digits(DigitsSpec(source="digits"), Files())
    assert read.images.shape == (1797, 3, 32, 32)
    assert (read.images[:, 0] == read.images[:, 2]).all()
    assert (read.images.min(), read.images.max()) == (0, 255)
    assert np.array_equal(read.identities, np.arange(1797))
    assert np.bincount(read.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def write_pickle(path: Path, content: dict[str, Any]) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def make_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    sums = {
        name: write_pickle(folder / name, {"data": pictures(4).reshape(4, -1), "labels": [0, 1, 2, 9]})
        for name in ("data_batch_1", "test_batch")
    }
    meta = write_pickle(folder / "batches.meta", {"label_names": ["x"] * 10})
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})


def make_cifar100(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR100

    folder = root / "cifar-100-python"
    sums = {
        name: write_pickle(folder / name, {"data": pictures(4).reshape(4, -1), "fine_labels": [0, 1, 2, 99]})
        for name in ("train", "test")
    }
    meta = write_pickle(folder / "meta", {"fine_label_names": ["x"] * 100})
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta})


def make_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import SVHN

    parts = {}
    for part in ("train", "test"):
        name = f"{part}_32x32.mat"
        savemat(root / name, {"X": pictures(4).transpose(2, 3, 1, 0), "y": np.array([[10], [1], [2], [9]])})  # 10 is 0
        parts[part] = ["", name, hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", parts)


SETS = [
    (Cifar10Spec(source="cifar10"), make_cifar10, [0, 1, 2, 9] * 2, "cifar-10-batches-py"),
    (Cifar100Spec(source="cifar100"), make_cifar100, [0, 1, 2, 99] * 2, "cifar-100-python"),
    (SvhnSpec(source="svhn"), make_svhn, [0, 1, 2, 9] * 2, "train_32x32.mat"),
]


@pytest.mark.parametrize(("spec", "make", "labels", "name"), SETS, ids=[spec.source for spec, *_ in SETS])
def test_published_files(
    spec: Any, make: Any, labels: list[int], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=f"add --data FOLDER, the folder with {name}"):
        READERS[spec.source](spec, Files())
    with pytest.raises(DataError, match="download it again"):
        READERS[spec.source](spec, Files(tmp_path))
    make(tmp_path, monkeypatch)
    read = READERS[spec.source](spec, Files(tmp_path))
    assert np.array_equal(read.images, np.concatenate([pictures(4)] * 2))
    assert read.labels.tolist() == labels
    assert (read.classes, len(np.unique(read.identities))) == (spec.classes, 8)
    assert READERS[spec.source](spec.model_copy(update={"image_size": 48}), Files(tmp_path)).images.shape[2] == 48


def test_a_changed_file_is_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cifar10(tmp_path, monkeypatch)
    trap = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    (tmp_path / "cifar-10-batches-py/data_batch_1").write_bytes(trap)
    with pytest.raises(DataError, match="not the published ones"):
        READERS["cifar10"](Cifar10Spec(source="cifar10"), Files(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_practice_is_set_aside_from_everything_else() -> None:
    spec = CompetitionSpec.model_validate(
        {"slug": "c", "title": "C", "data": {"source": "digits"}, "practice": {"identities": 300, "seed": 5}}
    )
    read = read_digits(DigitsSpec(source="digits"), Files())
    both = set_aside(read, spec)
    assert (len(both.practice), len(both.hidden)) == (300, 1497)
    assert not set(both.practice.identities.tolist()) & set(both.hidden.identities.tolist())
    other_secret = spec.with_seeds(lambda: 77)
    assert np.array_equal(set_aside(read, other_secret).practice.identities, both.practice.identities)
    with pytest.raises(DataError, match=r"practice.identities = 300 of 500 identities"):
        set_aside(read.take(np.arange(500)), spec)
    with pytest.raises(DataError, match=r"300 of 15 identities leaves too few .*; there must be 16 or more"):
        set_aside(read.take(np.arange(15)), spec)
    with pytest.raises(DataError, match="all photographs are of one identity"):
        set_aside(read.take(np.zeros(20, dtype=np.int64)), spec)


def test_practice_takes_no_class_with_it() -> None:
    """Whoever shows a rare class stays hidden; when there is no such choice, it is said."""
    base = {"slug": "c", "title": "C", "data": {"source": "digits"}}
    read = read_digits(DigitsSpec(source="digits"), Files()).take(np.arange(40))
    digits = read.labels.copy()
    digits[:] = 0
    digits[7] = 1
    rare = replace(read, labels=digits)
    for seed in range(6):
        spec = CompetitionSpec.model_validate(base | {"practice": {"identities": 20, "seed": seed}})
        assert 1 in set_aside(rare, spec).hidden.labels
    each = replace(read, labels=np.arange(40), classes=40)
    with pytest.raises(DataError, match="always takes a class with them"):
        set_aside(each, CompetitionSpec.model_validate(base | {"practice": {"identities": 20}}))
