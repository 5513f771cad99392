"""The two files of a split: one for the participant's code, one for the trusted side only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.data.copies import changed_copies
from lethe.evaluator.data.photographs import Photographs, pack
from lethe.evaluator.data.splits import VISIBLE_PARTS, Rows, Split

EVALUATION_PARTS = ("forget", "test", "retain_sample", "validation")


@dataclass(frozen=True)
class Anonymous:
    """Identifiers that reveal nothing of the split: image_id (N,) and person_id (N,), int64, one number per person."""

    image_id: Rows
    person_id: Rows


def anonymise(identities: Rows, seed: int) -> Anonymous:
    """Uniformly random permutations of 0 … N−1 for images and of 0 … people−1 for persons, whatever the split is."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    image_id = generator.permutation(len(identities)).astype(np.int64)
    people, index = np.unique(identities, return_inverse=True)
    return Anonymous(image_id=image_id, person_id=generator.permutation(len(people)).astype(np.int64)[index])


def visible_bundle(photographs: Photographs, split: Split, anonymous: Anonymous) -> bytes:
    """Safetensors bytes for the sandbox: for each of retain, forget and validation the arrays `<part>.images`
    (n, 3, H, W) uint8, `<part>.labels`, `.image_id`, `.person_id` (n,) int64 and `.age` (n,) float32.

    Rows are in the order of the anonymous image ids, so that the source's order reveals nothing either.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for part in VISIBLE_PARTS:
        rows = _in_order(getattr(split, part), anonymous)
        arrays |= {
            f"{part}.images": photographs.images[rows],
            f"{part}.labels": photographs.labels[rows],
            f"{part}.image_id": anonymous.image_id[rows],
            f"{part}.person_id": anonymous.person_id[rows],
            f"{part}.age": photographs.ages[rows],
        }
    return pack(arrays)


def evaluation_bundle(photographs: Photographs, split: Split, anonymous: Anonymous, seed: int) -> bytes:
    """Safetensors bytes for the trusted side: for forget, test, retain_sample and validation the arrays
    `<part>.images`, `<part>.labels` and `<part>.person_id`, in the same order of rows as the visible bundle;
    and changed copies of forget photographs, drawn by `seed` (see `changed_copies`).
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for part in EVALUATION_PARTS:
        rows = _in_order(getattr(split, part), anonymous)
        arrays |= {
            f"{part}.images": photographs.images[rows],
            f"{part}.labels": photographs.labels[rows],
            f"{part}.person_id": anonymous.person_id[rows],
        }
    return pack(arrays | changed_copies(photographs.images[_in_order(split.forget, anonymous)], seed))


def _in_order(rows: Rows, anonymous: Anonymous) -> Rows:
    """The rows by anonymous image id."""
    ordered: Rows = rows[np.argsort(anonymous.image_id[rows])]
    return ordered
