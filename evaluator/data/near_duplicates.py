"""Finds copies of one photograph under different identities, such as those that were saved again as JPEG."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 9, 8
BITS = 10
"""At most so many of the 64 bits of two hashes differ."""
DIFFERENCE = 8.0
"""At most so much do two photographs differ on average, of 255, as grey pictures of 16 × 16."""
FOUND = 1_000
BLOCK = 512


def near_duplicates(images: NDArray[np.uint8], identities: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of rows whose photographs are nearly the same and have different identities, ascending.

    images: (N, 3, H, W). Photographs are compared by their difference hashes (dHash: which of two neighbours is
    brighter, on 8 × 9 pixels), and those whose hashes are close by their pixels, because portraits before the same wall
    may have close hashes. Ends after FOUND pairs.
    """
    hashes, small = _hashes(images)
    found: list[tuple[int, int]] = []
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        distance = np.bitwise_count(hashes[block, None] ^ hashes[None, start:])
        close = (distance <= BITS) & (identities[block, None] != identities[None, start:])
        first, second = np.nonzero(np.triu(close, 1))
        for one, other in zip(first + start, second + start, strict=True):
            if np.abs(small[one] - small[other]).mean() <= DIFFERENCE:
                found.append((int(one), int(other)))
                if len(found) == FOUND:
                    return found
    return found


def _hashes(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The hashes (N,), and the photographs as grey pictures (N, 16, 16)."""
    hashes = np.empty(len(images), dtype=np.uint64)
    small = np.empty((len(images), 16, 16), dtype=np.float32)
    for row, image in enumerate(images):
        grey = Image.fromarray(image.transpose(1, 2, 0)).convert("L")
        pixels = np.asarray(grey.resize((WIDTH, HEIGHT), Image.Resampling.BOX))
        hashes[row] = np.packbits(pixels[:, 1:] > pixels[:, :-1]).view(np.uint64)[0]
        small[row] = np.asarray(grey.resize((16, 16), Image.Resampling.BOX))
    return hashes, small
