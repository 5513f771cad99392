"""Copies are mirrored, or moved and made brighter, and always the same for the same photographs and seed."""

import numpy as np

from lethe.evaluator.data.copies import COPIED, SHIFT, changed_copies


def photographs(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 16, 12), dtype=np.uint8)


def test_copies_are_a_pure_function_of_photographs_and_seed() -> None:
    images = photographs(20)
    first, again, other = changed_copies(images, 5), changed_copies(images.copy(), 5), changed_copies(images, 6)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["jittered.images"], other["jittered.images"])


def test_all_of_few_and_some_of_many() -> None:
    assert changed_copies(photographs(20), 0)["copies.rows"].tolist() == list(range(20))
    images = photographs(COPIED + 50)
    copies = changed_copies(images, 0)
    rows = copies["copies.rows"]
    assert len(set(rows.tolist())) == COPIED
    assert rows.tolist() == sorted(rows.tolist())
    assert rows.max() >= COPIED, "the first ones were taken"
    assert np.array_equal(copies["flipped.images"], images[rows][..., ::-1])


def test_jittered_copies_are_moved_a_little_and_never_the_same() -> None:
    images = photographs(60)
    jittered = changed_copies(images, 1)["jittered.images"]
    assert (jittered.dtype, jittered.shape) == (np.uint8, images.shape)
    moves = set()
    for image, copy in zip(images, jittered, strict=True):
        inner = copy[:, SHIFT:-SHIFT, SHIFT:-SHIFT].astype(float)
        near = {}
        for down in range(2 * SHIFT + 1):
            for right in range(2 * SHIFT + 1):
                part = image[:, down : down + inner.shape[1], right : right + inner.shape[2]]
                near[down, right] = float(np.corrcoef(part.ravel(), inner.ravel())[0, 1])
        best = max(near, key=lambda move: near[move])
        assert near[best] > 0.97
        moves.add(best)
    assert (SHIFT, SHIFT) not in moves
    assert len(moves) > 12
    brighter = jittered.mean(axis=(1, 2, 3)) / images.mean(axis=(1, 2, 3))
    assert 0.85 < brighter.min() < 0.95 < 1.02 < brighter.max() < 1.15
