"""The facts of a review as a report shows them, with histograms and pictures."""

import io
from itertools import pairwise

import numpy as np
from PIL import Image

from lethe.evaluator.contract.data_review import Bar, DataReview, Pair
from lethe.evaluator.data.contact_sheet import contact_sheet
from lethe.evaluator.data.review import Review, class_name

TILE = 96  # pixels of a photograph on the contact sheet, about
SHOWN_PAIRS = 50
BARS = 12
SIDES = (0, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # pixels


def draw_review(review: Review) -> DataReview:
    """The review as it is handed to a report."""
    photographs = review.photographs
    size = photographs.images.shape[2]
    return DataReview(
        source=review.spec.data.source,
        images=len(photographs),
        identities=len(np.unique(photographs.identities)),
        image_size=size,
        skipped=review.skipped,
        warnings=review.warnings,
        per_class=tuple(
            Bar(name=class_name(review.spec, label), count=int(count))
            for label, count in enumerate(np.bincount(photographs.labels, minlength=photographs.classes))
        ),
        per_person=_per_person(np.unique(photographs.identities, return_counts=True)[1]),
        sizes=_sides(review),
        near_duplicates=tuple(_pair(review, *rows) for rows in review.duplicates[:SHOWN_PAIRS]),
        contact_sheet=contact_sheet(photographs, scale=max(1, TILE // size)),
        splits=review.splits,
        needed_bytes=review.needed_bytes,
    )


def _per_person(counts: np.ndarray) -> tuple[Bar, ...]:
    """How many people have so many photographs, in at most BARS ranges of equal width."""
    width = -(-(int(counts.max()) - int(counts.min()) + 1) // BARS)
    bars = []
    for least in range(int(counts.min()), int(counts.max()) + 1, width):
        name = str(least) if width == 1 else f"{least} to {least + width - 1}"
        bars.append(Bar(name=name, count=int(((counts >= least) & (counts < least + width)).sum())))
    return tuple(bars)


def _sides(review: Review) -> tuple[Bar, ...]:
    if review.origin is None:
        return ()
    counts, _ = np.histogram(review.origin.sizes.min(axis=1), bins=[*SIDES, np.inf])
    names = [*(f"{low} to {high - 1}" for low, high in pairwise(SIDES)), f"{SIDES[-1]} and more"]
    return tuple(Bar(name=name, count=int(count)) for name, count in zip(names, counts, strict=True))


def _pair(review: Review, first: int, second: int) -> Pair:
    if review.origin is None:
        raise ValueError("only photographs from files are compared")
    names, people = review.origin.names, review.origin.people
    return Pair(
        names=(names[first], names[second]),
        people=(people[first], people[second]),
        pictures=(_png(review, first), _png(review, second)),
    )


def _png(review: Review, row: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(review.photographs.images[row].transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()
