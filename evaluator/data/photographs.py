"""Labelled photographs of people in memory, and as one safetensors file with a digest."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from lethe.evaluator.errors import EvaluatorError


class DataError(EvaluatorError, ValueError):
    """The host's data cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Photographs:
    """N photographs: images (N, 3, H, W) uint8 RGB, labels (N,) int64 age groups in [0, classes), identities (N,)
    int64, ages (N,) float32 in years, all 0 where the source knows none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]
    ages: NDArray[np.float32]
    classes: int

    def __post_init__(self) -> None:
        """Raise DataError when the arrays do not fit together, or labels are out of range."""
        count = len(self.labels)
        if self.images.ndim != 4 or self.images.shape[1] != 3 or self.images.dtype != np.uint8:
            raise DataError(f"images must be (N, 3, H, W) uint8, not {self.images.shape} {self.images.dtype}")
        if {len(self.images), len(self.identities), len(self.ages)} != {count} or count == 0:
            raise DataError("images, labels, identities and ages must have the same length, and at least one entry")
        if self.labels.min() < 0 or self.labels.max() >= self.classes:
            raise DataError(f"labels must lie between 0 and {self.classes - 1}")
        if not np.isfinite(self.ages).all():
            raise DataError("ages must be finite numbers of years")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.int64]) -> "Photographs":
        """The photographs at these rows, in this order."""
        return Photographs(
            self.images[rows], self.labels[rows], self.identities[rows], self.ages[rows], classes=self.classes
        )


def without_persons(images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int) -> Photographs:
    """Photographs of a source without persons and ages: each is an identity of its own, every age is 0."""
    return Photographs(
        images=images,
        labels=labels,
        identities=np.arange(len(labels), dtype=np.int64),
        ages=np.zeros(len(labels), dtype=np.float32),
        classes=classes,
    )


def pack_photographs(photographs: Photographs) -> bytes:
    """One safetensors file; equal photographs give equal bytes."""
    return pack(
        {
            "images": photographs.images,
            "labels": photographs.labels,
            "identities": photographs.identities,
            "ages": photographs.ages,
            "classes": np.array([photographs.classes], dtype=np.int64),
        }
    )


def unpack_photographs(data: bytes) -> Photographs:
    """The photographs in `data`; raises DataError when it is not what `pack_photographs` wrote."""
    arrays = load(data)
    try:
        classes = int(arrays.pop("classes")[0])
        return Photographs(**arrays, classes=classes)
    except (KeyError, TypeError) as error:
        raise DataError(f"not a bundle of photographs: {error}") from error


def digest(photographs: Photographs) -> str:
    """The SHA-256 of the packed photographs in hexadecimal: the name of a data set."""
    return hashlib.sha256(pack_photographs(photographs)).hexdigest()


def age_groups(ages: NDArray[np.float32], classes: int, youngest: float, oldest: float) -> NDArray[np.int64]:
    """Age groups (N,) int64: [youngest, oldest] cut into `classes` equal intervals; ages beyond go to the ends."""
    position = (np.asarray(ages, dtype=np.float64) - youngest) / (oldest - youngest)
    return np.clip(np.floor(position * classes), 0, classes - 1).astype(np.int64)


def pack(arrays: dict[str, NDArray[Any]]) -> bytes:
    """The arrays as safetensors bytes, in row-major order; a view would otherwise be written in its base's order."""
    return bytes(save({key: np.ascontiguousarray(array) for key, array in arrays.items()}))
