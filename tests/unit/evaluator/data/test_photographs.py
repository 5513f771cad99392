"""Photographs hold together, survive packing, and are grouped by age as said."""

import numpy as np
import pytest

from lethe.evaluator.data.photographs import (
    DataError,
    Photographs,
    age_groups,
    digest,
    pack,
    pack_photographs,
    unpack_photographs,
)


def photographs(count: int = 6) -> Photographs:
    generator = np.random.default_rng(0)
    return Photographs(
        images=generator.integers(0, 256, (count, 3, 4, 5), dtype=np.uint8),
        labels=np.arange(count) % 3,
        identities=np.arange(count) // 2,
        ages=np.linspace(1, 80, count, dtype=np.float32),
        classes=3,
    )


def test_packing_round_trip_and_digest() -> None:
    some = photographs()
    again = unpack_photographs(pack_photographs(some))
    assert np.array_equal(again.images, some.images)
    assert (again.labels.dtype, again.identities.dtype, again.ages.dtype) == (np.int64, np.int64, np.float32)
    assert again.classes == 3
    assert digest(again) == digest(some)
    changed = some.images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert digest(Photographs(changed, some.labels, some.identities, some.ages, 3)) != digest(some)


def test_views_are_packed_in_their_own_order() -> None:
    some = photographs()
    turned = Photographs(some.images.transpose(0, 1, 3, 2), some.labels[::-1], some.identities, some.ages, classes=3)
    again = unpack_photographs(pack_photographs(turned))
    assert np.array_equal(again.images, turned.images)
    assert np.array_equal(again.labels, turned.labels)


def test_take() -> None:
    some = photographs().take(np.array([4, 1]))
    assert some.labels.tolist() == [1, 1]
    assert np.array_equal(some.images, photographs().images[[4, 1]])


def test_what_does_not_belong_together_is_refused() -> None:
    some = photographs()
    with pytest.raises(DataError, match="same length"):
        Photographs(some.images[:-1], some.labels, some.identities, some.ages, 3)
    with pytest.raises(DataError, match="same length, and at least one"):
        some.take(np.array([], dtype=np.int64))
    with pytest.raises(DataError, match="uint8"):
        Photographs(some.images.astype(np.float32), some.labels, some.identities, some.ages, 3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="between 0 and 1"):
        Photographs(some.images, some.labels, some.identities, some.ages, 2)
    with pytest.raises(DataError, match="finite"):
        Photographs(some.images, some.labels, some.identities, some.ages * np.float32(np.nan), 3)
    with pytest.raises(DataError, match="not a bundle"):
        unpack_photographs(pack({"images": some.images}))


def test_age_groups_have_equal_widths() -> None:
    ages = np.array([1, 8.9, 9.0, 40.9, 41, 80.9, 81, 0.5, 99], dtype=np.float32)
    assert age_groups(ages, 10, 1, 81).tolist() == [0, 0, 1, 4, 5, 9, 9, 0, 9]
