"""Decodes one picture file to an upright RGB square, or says why it cannot be used."""

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
FORMATS_BY_FEATURE = {"TIFF": "libtiff", "AVIF": "avif"}
NAMES = {"WEBP": "WebP", "HEIF": "HEIC"}
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_PIXELS = 80_000_000  # more than most cameras' photographs, and 240 MB when it is decoded
PAPER = (255, 255, 255)  # what transparent pixels are laid on
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises for damaged EXIF data, whose values may be anything.
DAMAGED_EXIF = (
    SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OSError, ArithmeticError, struct.error,
)  # fmt: skip
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Decoded:
    """One photograph: pixels (3, size, size) uint8 RGB, and width and height of the picture as it is stored."""

    pixels: Pixels
    picture: tuple[int, int]


@dataclass(frozen=True)
class Unusable:
    """Why a file cannot be used: `reason` is one text for all files with this fault, `detail` is about this one."""

    reason: str
    detail: str = ""


@cache
def readable_formats() -> tuple[str, ...]:
    """The formats that can be read here, as Pillow calls them; HEIC with the extra `heif` only."""
    found = [*FORMATS, *(name for name, feature in FORMATS_BY_FEATURE.items() if features.check(feature))]
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
        found.append("HEIF")
    return tuple(found)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings and log lines off the terminal, and its own limit on pixels out of the way."""
    log = logging.getLogger("PIL")
    level, limit = log.level, Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL + 1)
        Image.MAX_IMAGE_PIXELS = None  # `decode` has a limit of its own, which a setting changes
        try:
            yield
        finally:
            log.setLevel(level)
            Image.MAX_IMAGE_PIXELS = limit


def decode(path: Path, size: int, *, max_pixels: int = MAX_PIXELS) -> Decoded | Unusable:
    """Decode one photograph: upright as its EXIF says, the middle square scaled to `size`.

    Grey, palette, transparent (laid on white) and CMYK pictures become RGB; of several pictures in a file the first one
    is taken. Deeper pictures are refused, and those of more than `max_pixels` before they are decoded. To be called
    inside `quiet_pillow`.
    """
    try:
        with Image.open(path, formats=readable_formats()) as image:
            picture = image.size
            if picture[0] * picture[1] > max_pixels:
                return Unusable(
                    f"has more than {max_pixels / 1e6:g} megapixels, the limit that LETHE_PHOTOGRAPH_PIXELS sets; "
                    "raise it, or make the picture smaller",
                    f"{picture[0]} × {picture[1]} pixels in {path.stat().st_size / 1e6:.1f} MB",
                )
            if image.mode not in MODES:
                return Unusable(
                    "has no 8 bits per channel; convert it, for example: magick IN -depth 8 -colorspace sRGB OUT.png",
                    f"pixels of kind {image.mode}",
                )
            image.draft("RGB", (2 * size, 2 * size))  # JPEG decodes at a smaller scale where that is still enough
            image.load()
            fitted = ImageOps.fit(_rgb(_upright(image)), (size, size), Image.Resampling.BICUBIC)
    except FileNotFoundError:
        return Unusable("is missing")
    except UnidentifiedImageError:
        return _unidentified(path)
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        return Unusable("cannot be decoded", str(error).replace(f": {str(path)!r}", ""))
    return Decoded(np.asarray(fitted).transpose(2, 0, 1), picture)


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF says; one whose EXIF cannot be read stays as it is."""
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except DAMAGED_EXIF:
        return image
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"LA", "PA", "RGBA"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, PAPER)
        return Image.alpha_composite(paper, layer).convert("RGB")
    return image.convert("RGB")


def _unidentified(path: Path) -> Unusable:
    with path.open("rb") as stream:
        head = stream.read(12)
    if head[4:8] == b"ftyp" and head[8:] in HEIF_BRANDS and "HEIF" not in readable_formats():
        return Unusable(
            "is HEIC, which is read only with the package pillow-heif (the extra heif); install it, or convert the "
            "picture: heif-convert IN.heic OUT.jpg"
        )
    *names, last = (NAMES.get(name, name) for name in readable_formats())
    return Unusable(f"is no {', '.join(names)} or {last} picture")
