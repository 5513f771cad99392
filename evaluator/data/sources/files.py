"""Finds photographs in files and decodes them in parallel, naming every bad file."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from lethe.evaluator.data.photographs import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_PIXELS = 80_000_000  # more than any camera's photograph; Pillow itself warns at 89 million
NAMED = 10  # bad files that a message names
REPORT_EVERY = 32
PAPER = (255, 255, 255)  # what transparent pixels are laid on

Pixels = NDArray[np.uint8]


def _silent(done: int, total: int) -> None: ...


@dataclass
class Files:
    """A host's folder of files, and the handling of bad ones; `skipped` names those that were left out."""

    folder: Path | None = None
    skip_bad: bool = False
    report: Callable[[int, int], None] = _silent
    skipped: list[str] = field(default_factory=list)

    def root(self, source: str, content: str) -> Path:
        """The folder; raises DataError when it is not given or missing. `content` describes its expected content."""
        if self.folder is None:
            raise DataError(f"the source {source} reads files: add --data FOLDER, the folder with {content}")
        if not self.folder.is_dir():
            raise DataError(f"--data {self.folder} is not a folder; {source} needs the folder with {content}")
        return self.folder

    def leave_out(self, bad: Sequence[str]) -> None:
        """Note the bad files, or raise DataError with the first of them unless `skip_bad`."""
        if bad and not self.skip_bad:
            noun = "file" if len(bad) == 1 else "files"
            more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
            raise DataError(
                f"{len(bad)} {noun} cannot be used: {'; '.join(bad[:NAMED])}{more}. Correct them, or leave them out "
                "with --skip-bad"
            )
        self.skipped.extend(bad)


def decode_all(paths: Sequence[Path], root: Path, size: int, files: Files) -> tuple[Pixels, NDArray[np.int64]]:
    """The photographs that can be read, (N, 3, size, size) uint8 RGB, and their places among `paths`.

    Decodes with one thread per core and calls `files.report`. Raises DataError that names the files that cannot be
    read, each with its reason, unless `files.skip_bad`; and when fewer than eight can.
    """
    images = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    good = np.ones(len(paths), dtype=bool)
    bad: list[str] = []
    files.report(0, len(paths))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="decode") as threads:
        for row, result in enumerate(threads.map(lambda path: decode(path, size), paths)):
            if isinstance(result, str):
                good[row] = False
                bad.append(f"{paths[row].relative_to(root)}: {result}")
            else:
                images[row] = result
            if (row + 1) % REPORT_EVERY == 0 or row + 1 == len(paths):
                files.report(row + 1, len(paths))
    files.leave_out(bad)
    if good.sum() < 8:
        raise DataError(f"{good.sum()} photographs below {root} are too few")
    return (images if good.all() else images[good]), np.flatnonzero(good)


def decode(path: Path, size: int) -> Pixels | str:
    """One photograph (3, size, size) uint8 RGB, upright as its EXIF says, the middle square scaled; or what is wrong.

    Grey, palette, transparent (laid on white) and CMYK pictures become RGB; deeper ones are refused.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return f"{image.width} × {image.height} pixels are too many"
            if image.mode not in MODES:
                return f"pixels of kind {image.mode} are not supported; save it with 8 bits per channel"
            image.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a smaller scale where that is still enough
            upright = ImageOps.exif_transpose(image)
            fitted = ImageOps.fit(_rgb(upright), (size, size), Image.Resampling.BICUBIC)
    except FileNotFoundError:
        return "is missing"
    except UnidentifiedImageError:
        return "is no JPEG, PNG, WebP or BMP picture"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "has too many pixels"
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        return f"cannot be decoded ({error})"
    return np.asarray(fitted).transpose(2, 0, 1)


def scale_all(images: Pixels, size: int) -> Pixels:
    """Pictures (N, 3, H, W) uint8 as (N, 3, size, size), bicubic; the same array when they have that size."""
    if images.shape[2:] == (size, size):
        return images
    scaled = [
        Image.fromarray(image.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BICUBIC) for image in images
    ]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in scaled])


def require_own_pictures(images: Pixels, identities: NDArray[np.int64], names: Sequence[str]) -> None:
    """Raise DataError when one picture has two identities: that person would be on both sides of the split."""
    owner: dict[bytes, int] = {}
    for row, image in enumerate(images):
        first = owner.setdefault(image.tobytes(), row)
        if identities[first] != identities[row]:
            raise DataError(
                f"{names[first]} and {names[row]} are the same picture under two identities, so that one person would "
                "be on both sides of the split; give both the same identity, or remove one"
            )


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, PAPER)
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")
