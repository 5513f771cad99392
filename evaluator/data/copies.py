"""Changed copies of forget photographs: answers memorised for the exact photographs do not carry over to them."""

import numpy as np
from numpy.typing import NDArray

COPIED = 128
"""At most this many photographs: enough to tell memorised answers from unlearned ones, and quick to score."""
SHIFT = 2
BRIGHTNESS = 0.1


def changed_copies(images: NDArray[np.uint8], seed: int) -> dict[str, NDArray[np.generic]]:
    """Arrays of the evaluation bundle, a pure function of the photographs and the seed.

    images: (E, 3, H, W). `copies.rows` (n,) int64 are the copied ones, ascending: all, or COPIED drawn
    uniformly. `flipped.images` (n, 3, H, W) uint8 are mirrored left to right; `jittered.images` are moved by up to
    SHIFT pixels along each axis, by at least one, with edges repeated, and made up to a tenth brighter or darker.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    rows = np.sort(generator.permutation(len(images))[:COPIED]).astype(np.int64)
    chosen = images[rows]
    return {
        "copies.rows": rows,
        "flipped.images": np.ascontiguousarray(chosen[..., ::-1]),
        "jittered.images": _jittered(chosen, generator),
    }


def _jittered(images: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    moves = [(down, right) for down in range(2 * SHIFT + 1) for right in range(2 * SHIFT + 1)]
    moves.remove((SHIFT, SHIFT))
    height, width = images.shape[2:]
    framed = np.pad(images, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge")
    jittered = np.empty(images.shape, dtype=np.uint8)
    for place, image in enumerate(framed):
        down, right = moves[generator.integers(len(moves))]
        brightness = generator.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)
        cut = image[:, down : down + height, right : right + width]
        jittered[place] = np.clip(np.rint(cut * brightness), 0, 255)
    return jittered
