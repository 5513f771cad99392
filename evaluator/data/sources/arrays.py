"""The `arrays` source: images, labels and perhaps identities as NumPy arrays, in a folder of .npy files or one NPZ."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.data_sources import ArraysSpec, InstalledSpec
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.decoding import Pixels
from lethe.evaluator.data.sources.files import Files, by_reason, listed, require_own_pictures, scale_all
from lethe.evaluator.data.sources.identities import spelt_twice

NAMES = ("images", "labels", "identities")
CHUNK = 1024
"""Images that are converted at a time, so that no more of a mapped file is in memory."""

Arrays = Mapping[str, NDArray[Any]]


def read_arrays(data: ArraysSpec, files: Files) -> Photographs:
    """The photographs in `images.npy`, `labels.npy` and `identities.npy`, or in one .npz with these names.

    images: (N, H, W, 3), (N, H, W, 1) or (N, H, W) uint8; labels: (N,) whole numbers, all of 0 to `data.classes` − 1;
    identities: (N,) whole numbers or texts, or absent: each photograph is its own. Single .npy files are mapped, an NPZ
    is read into memory. The middle square of each image is scaled to `data.image_size`. Raises DataError that says what
    to change.
    """
    content = "images.npy, labels.npy and, where they are known, identities.npy; or one .npz with arrays of these names"
    if files.folder is not None and files.folder.suffix == ".npz" and files.folder.is_file():
        return photographs_of(_read_npz(files.folder), data, files)
    root = files.root("arrays", content)
    packed = sorted(root.glob("*.npz"))
    single = {name: root / f"{name}.npy" for name in NAMES if (root / f"{name}.npy").is_file()}
    if single and packed:
        raise DataError(f"{root} has both .npy files and {packed[0].name}: leave only one of them there")
    if len(packed) > 1:
        raise DataError(f"{root} has {len(packed)} .npz files: name one of them with --data")
    if packed:
        return photographs_of(_read_npz(packed[0]), data, files)
    return photographs_of({name: _read_npy(path) for name, path in single.items()}, data, files, where=f"{root}/")


def photographs_of(arrays: Arrays, data: ArraysSpec | InstalledSpec, files: Files, *, where: str = "") -> Photographs:
    """The photographs of checked arrays; raises DataError as `read_arrays` does. `where` is said of a missing one."""
    for name in NAMES[:2]:
        if name not in arrays:
            raise DataError(f"{where}{name} is missing; there must be arrays images and labels, and may be identities")
    images, labels = arrays["images"], _labels(arrays["labels"], data.classes)
    _require_pixels(images)
    if len(images) != len(labels):
        raise DataError(f"there are {len(images)} images and {len(labels)} labels; there must be one label an image")
    if len(images) < 8:
        raise DataError(f"{len(images)} images are too few")
    people = _identities(arrays.get("identities"), len(images))
    if "identities" in arrays:
        files.people = tuple(str(name) for name in arrays["identities"])
    pixels = _pixels(images, data.image_size, files)
    if "identities" in arrays:
        require_own_pictures(pixels, people, [f"image {row}" for row in range(len(pixels))])
    return Photographs(
        images=pixels,
        labels=labels,
        identities=people,
        ages=np.zeros(len(labels), dtype=np.float32),
        classes=data.classes,
    )


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream:
            packed = np.load(stream, allow_pickle=False)
            if not isinstance(packed, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array, not an NPZ file")
            return {name: packed[name] for name in NAMES if name in packed}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(_unreadable(path, error)) from error


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(_unreadable(path, error)) from error
    return array


def _unreadable(path: Path, error: Exception) -> str:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return (
            f"{path} has Python objects in it, which are never unpickled: store texts as np.array(names, dtype=str), "
            "and images as one array"
        )
    return f"cannot read {path}: {error}"


def _require_pixels(images: NDArray[Any]) -> None:
    shape = f"{images.shape} {images.dtype}"
    if images.dtype != np.uint8:
        remedy = "convert them: (images * 255).round().astype(np.uint8), where they go from 0 to 1"
        if images.dtype.kind == "f" and (bad := _not_finite(images)):
            remedy = f"{listed(bad)} have NaN or infinite values; replace them, then {remedy}"
        raise DataError(f"images are {shape}; they must be uint8 from 0 to 255: {remedy}")
    if images.ndim not in {3, 4} or (images.ndim == 4 and images.shape[3] not in {1, 3}):
        turned = " (yours look like (N, C, H, W): images.transpose(0, 2, 3, 1))" if _looks_turned(images) else ""
        raise DataError(f"images are {shape}; they must be (N, H, W, C) with one or three channels{turned}")
    if 0 in images.shape[1:]:
        raise DataError(f"images are {shape}, without a pixel")


def _looks_turned(images: NDArray[Any]) -> bool:
    return images.ndim == 4 and images.shape[1] in {1, 3}


def _not_finite(images: NDArray[Any]) -> list[str]:
    """The places of images with NaN or infinite values, read in pieces."""
    found = []
    for start in range(0, len(images), CHUNK):
        piece = np.isfinite(images[start : start + CHUNK]).reshape(len(images[start : start + CHUNK]), -1).all(axis=1)
        found += [f"image {start + row}" for row in np.flatnonzero(~piece)]
    return found


def _labels(labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        has_nan = labels.ndim == 1 and labels.dtype.kind == "f"
        bad = [f"row {row}" for row in np.flatnonzero(~np.isfinite(labels))] if has_nan else []
        nan = f", NaN at {listed(bad)}" if bad else ""
        raise DataError(f"labels are {labels.shape} {labels.dtype}{nan}; they must be (N,) whole numbers")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        places = listed([f"row {row} ({labels[row]})" for row in wrong])
        raise DataError(f"labels must go from 0 to data.classes - 1 = {classes - 1}: {places}")
    holes = np.setdiff1d(np.arange(classes), labels)
    if len(holes):
        raise DataError(
            f"labels have holes: no image of class {listed([str(one) for one in holes])} among {classes} classes. "
            "Number the classes from 0 without gaps, or lower data.classes"
        )
    return np.asarray(labels, dtype=np.int64)


def _identities(identities: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    if identities is None:
        return np.arange(count, dtype=np.int64)
    if identities.shape != (count,) or identities.dtype.kind not in "iuU":
        raise DataError(
            f"identities are {identities.shape} {identities.dtype}; they must be ({count},) whole numbers or texts, "
            "or be left out"
        )
    if identities.dtype.kind == "U":
        empty = np.flatnonzero(np.char.strip(identities) == "")
        if len(empty):
            raise DataError(f"identities must not be empty: {listed([f'row {row}' for row in empty])}")
        if wrong := spelt_twice((f"row {row}", str(name)) for row, name in enumerate(identities)):
            raise DataError("\n  ".join(["identities:", *by_reason(wrong)]))
    return np.unique(identities, return_inverse=True)[1].astype(np.int64)


def _pixels(images: NDArray[Any], size: int, files: Files) -> Pixels:
    """(N, 3, size, size) uint8: the middle squares of the images, scaled; one channel becomes three alike."""
    made = np.empty((len(images), 3, size, size), dtype=np.uint8)
    side = min(images.shape[1:3])
    top, left = ((length - side) // 2 for length in images.shape[1:3])
    files.report(0, len(images))
    for start in range(0, len(images), CHUNK):
        piece = np.asarray(images[start : start + CHUNK, top : top + side, left : left + side])
        channels = piece[:, None] if piece.ndim == 3 else piece.transpose(0, 3, 1, 2)
        shape = (len(piece), 3, side, side)
        made[start : start + CHUNK] = scale_all(np.ascontiguousarray(np.broadcast_to(channels, shape)), size)
        files.report(min(start + CHUNK, len(images)), len(images))
    return made
