"""A host's folder of files: decodes its photographs in parallel, and names what cannot be used by reason."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.decoding import MAX_PIXELS, Decoded, Pixels, Unusable, decode, quiet_pillow

NAMED = 10  # reasons that a message names, and places of each
REPORT_EVERY = 32


def _silent(done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Origin:
    """Where the photographs of a source come from, in their order.

    `names` are files below the source's folder, `people` the names of those on them. `sizes` (N, 2) int64 are width and
    height of each picture as it is stored.
    """

    names: tuple[str, ...]
    people: tuple[str, ...]
    sizes: NDArray[np.int64]

    @property
    def has_people(self) -> bool:
        """Whether the source says who is on the photographs; else each is called as its file is."""
        return self.people != self.names


@dataclass
class Files:
    """A host's folder of files, and the handling of bad ones; `skipped` names those that were left out.

    `photographs` and `origin` are what a source has read so far, also where the data are refused afterwards. `people`
    are the names of those on the photographs, of a source that reads no single files. `beside` is the folder of the
    specification. `kept_hidden` names further forget lists, whose people must not become public: those of other tasks.
    """

    folder: Path | None = None
    beside: Path | None = None
    kept_hidden: tuple[str, ...] = ()
    skip_bad: bool = False
    max_pixels: int = MAX_PIXELS
    report: Callable[[int, int], None] = _silent
    skipped: list[tuple[str, Unusable]] = field(default_factory=list)
    photographs: Photographs | None = None
    origin: Origin | None = None
    people: tuple[str, ...] | None = None

    def root(self, source: str, content: str) -> Path:
        """The folder; raises DataError when it is not given or missing. `content` describes its expected content."""
        if self.folder is None:
            raise DataError(f"the source {source} reads files: add --data FOLDER, the folder with {content}")
        if not self.folder.is_dir():
            raise DataError(f"--data {self.folder} is not a folder; {source} needs the folder with {content}")
        return self.folder

    def leave_out(self, bad: Sequence[tuple[str, Unusable]]) -> None:
        """Note the bad files, by name, or raise DataError that names them by reason unless `skip_bad`."""
        if bad and not self.skip_bad:
            noun = "file" if len(bad) == 1 else "files"
            reasons = by_reason(bad)
            end = "Correct them, or leave them out with --skip-bad"
            raise DataError(
                f"{len(bad)} {noun} cannot be used: {reasons[0]}. {end}"
                if len(reasons) == 1
                else "\n  ".join([f"{len(bad)} {noun} cannot be used:", *reasons]) + f"\n{end}"
            )
        self.skipped.extend(bad)


def by_reason(bad: Sequence[tuple[str, Unusable]]) -> list[str]:
    """Say what is wrong with these places, files or lines: one line for each reason, and a last one if some are not
    named.
    """
    places: dict[str, list[str]] = {}
    for place, fault in bad:
        places.setdefault(fault.reason, []).append(f"{place} ({fault.detail})" if fault.detail else place)
    lines = [f"{listed(found)}: {reason}" for reason, found in places.items()]
    return lines if len(lines) <= NAMED else [*lines[:NAMED], f"and {len(lines) - NAMED} other reasons"]


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def decode_all(
    paths: Sequence[Path], root: Path, size: int, files: Files, *, alike: Mapping[Path, str | None] | None = None
) -> tuple[Pixels, NDArray[np.int64], NDArray[np.int64]]:
    """The photographs that can be read, (N, 3, size, size) uint8 RGB; their places among `paths`, (N,); and width and
    height of their pictures, (N, 2).

    Decodes with one thread per core and calls `files.report`. `alike` has, for missing files, the name of a file that
    is there and differs only in upper and lower case. Raises DataError that names the files that cannot be read by
    reason, unless `files.skip_bad`; and when fewer than eight can.
    """
    images = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    sizes = np.empty((len(paths), 2), dtype=np.int64)
    good = np.ones(len(paths), dtype=bool)
    bad: list[tuple[str, Unusable]] = []
    files.report(0, len(paths))

    def decode_one(path: Path) -> Decoded | Unusable:
        return decode(path, size, max_pixels=files.max_pixels)

    threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="decode")
    with quiet_pillow(), threads:
        for row, result in enumerate(threads.map(decode_one, paths)):
            if isinstance(result, Unusable):
                good[row] = False
                bad.append((str(paths[row].relative_to(root)), _told(result, (alike or {}).get(paths[row]))))
            else:
                images[row], sizes[row] = result.pixels, result.picture
            if (row + 1) % REPORT_EVERY == 0 or row + 1 == len(paths):
                files.report(row + 1, len(paths))
    files.leave_out(bad)
    if good.sum() < 8:
        raise DataError(f"{good.sum()} photographs below {root} are too few")
    return (images if good.all() else images[good]), np.flatnonzero(good), sizes[good]


def _told(fault: Unusable, name: str | None) -> Unusable:
    """The fault of a missing file, which is said to be there under another name if it is."""
    return fault if name is None else Unusable("is missing; upper and lower case count", f"there is {name}")


def scale_all(images: Pixels, size: int) -> Pixels:
    """Pictures (N, 3, H, W) uint8 as (N, 3, size, size), bicubic; the same array when they have that size."""
    if images.shape[2:] == (size, size):
        return images
    scaled = [
        Image.fromarray(image.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BICUBIC) for image in images
    ]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in scaled])


def require_own_pictures(images: Pixels, identities: NDArray[np.int64], names: Sequence[str]) -> None:
    """Raise DataError when one picture has two identities: that person, or without people that picture, would be on
    both sides of the split.
    """
    alone = len(np.unique(identities)) == len(identities)
    owner: dict[bytes, int] = {}
    for row, image in enumerate(images):
        first = owner.setdefault(image.tobytes(), row)
        if identities[first] != identities[row]:
            if alone:
                raise DataError(
                    f"{names[first]} and {names[row]} are the same picture, which would be on both sides of the split; "
                    "remove one, or give both the same identity"
                )
            raise DataError(
                f"{names[first]} and {names[row]} are the same picture under two identities, so that one person would "
                "be on both sides of the split; give both the same identity, or remove one"
            )
