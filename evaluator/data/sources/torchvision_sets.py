"""The sources `cifar10`, `cifar100` and `svhn`: files that torchvision reads, downloaded by the host beforehand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lethe.evaluator.contract.data_sources import Cifar10Spec, Cifar100Spec, SvhnSpec, TorchvisionSpec
from lethe.evaluator.data.photographs import DataError, Photographs, without_persons
from lethe.evaluator.data.sources.files import Files, scale_all

CIFAR_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar.html"
SVHN_ADDRESS = "http://ufldl.stanford.edu/housenumbers/"


def read_cifar10(data: Cifar10Spec, files: Files) -> Photographs:
    """Training and test images of CIFAR-10; raises DataError when the files are not there or damaged."""
    from torchvision.datasets import CIFAR10

    root = files.root("cifar10", f"cifar-10-batches-py/ (unpack cifar-10-python.tar.gz from {CIFAR_ADDRESS})")
    return _cifar(CIFAR10, root, data, data.classes, files)


def read_cifar100(data: Cifar100Spec, files: Files) -> Photographs:
    """Training and test images of CIFAR-100 with the fine labels; raises DataError as `read_cifar10` does."""
    from torchvision.datasets import CIFAR100

    root = files.root("cifar100", f"cifar-100-python/ (unpack cifar-100-python.tar.gz from {CIFAR_ADDRESS})")
    return _cifar(CIFAR100, root, data, data.classes, files)


def read_svhn(data: SvhnSpec, files: Files) -> Photographs:
    """Training and test images of SVHN, cropped digits; raises DataError as `read_cifar10` does."""
    from torchvision.datasets import SVHN

    root = files.root("svhn", f"train_32x32.mat and test_32x32.mat from {SVHN_ADDRESS}")
    parts = _load(lambda: [SVHN(str(root), split=part, download=False) for part in ("train", "test")], "svhn", root)
    images = np.concatenate([part.data for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return _photographs(images, labels, data, data.classes, files)


def _cifar(kind: Any, root: Path, data: TorchvisionSpec, classes: int, files: Files) -> Photographs:
    parts = _load(
        lambda: [kind(str(root), train=train, download=False) for train in (True, False)], kind.base_folder, root
    )
    images = np.concatenate([part.data for part in parts]).transpose(0, 3, 1, 2)
    labels = np.concatenate([part.targets for part in parts])
    return _photographs(images, labels, data, classes, files)


def _load(read: Callable[[], list[Any]], name: str, root: Path) -> list[Any]:
    """What torchvision reads, which compares checksums first: these files are unpickled."""
    try:
        return read()
    except RuntimeError as error:
        raise DataError(
            f"{name} is not complete in {root}, or its files are not the published ones: download it again ({error})"
        ) from error


def _photographs(images: Any, labels: Any, data: TorchvisionSpec, classes: int, files: Files) -> Photographs:
    files.report(0, len(labels))
    scaled = scale_all(np.ascontiguousarray(images), data.image_size)
    files.report(len(labels), len(labels))
    return without_persons(scaled, np.asarray(labels, dtype=np.int64), classes)
