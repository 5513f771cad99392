"""Who is kept, forgotten, validated and tested on: a pure function of the identities, the labels and a seed."""

import hashlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from evaluator.contract.specification import SplitSpec
from evaluator.data.photographs import DataError

Rows = NDArray[np.int64]
DRAWS = 1_000


@dataclass(frozen=True)
class Split:
    """Rows of the photographs on each side, ascending. `retain_sample` is part of `retain`; the others are disjoint and
    together complete. No identity is on two sides.
    """

    retain: Rows
    forget: Rows
    validation: Rows
    test: Rows
    retain_sample: Rows

    @property
    def digest(self) -> str:
        """The SHA-256 of all rows in hexadecimal."""
        sha = hashlib.sha256()
        for field in fields(self):
            rows = getattr(self, field.name)
            sha.update(f"{field.name}:{len(rows)}:".encode() + rows.astype("<i8").tobytes())
        return sha.hexdigest()


def split_by_identity(identities: Rows, labels: Rows, spec: SplitSpec) -> Split:
    """Uniformly random identities to forget, validate and test on; everyone else is retained.

    identities, labels: (N,) int64. The three fractions are of the identities, each rounded and at least one, and all
    photographs of a person go with the person. The draw is uniform among the splits that leave a photograph of every
    class in retain: draws that do not are drawn again. Raises DataError when 1,000 draws do not find one, or when fewer
    than two identities would remain.
    """
    people = np.unique(identities)
    fractions = (spec.forget_fraction, spec.validation_fraction, spec.test_fraction)
    forget, validation, test = (max(1, round(fraction * len(people))) for fraction in fractions)
    if len(people) - forget - validation - test < 2:
        raise DataError(
            f"{len(people)} identities are too few: {forget} to forget, {validation} for validation and {test} for "
            "test leave fewer than two to retain"
        )
    generator = np.random.default_rng(np.random.SeedSequence([spec.seed, 0]))
    classes = np.unique(labels)
    for _ in range(DRAWS):
        shuffled = generator.permutation(people)
        chosen = np.split(shuffled, np.cumsum([forget, validation, test]))
        sides = [np.flatnonzero(np.isin(identities, side)) for side in chosen]
        if np.array_equal(np.unique(labels[sides[3]]), classes):
            break
    else:
        raise DataError(
            f"no split leaves all {len(classes)} classes in retain: add identities, or lower the fractions for forget, "
            "validation and test"
        )
    retain = sides[3]
    size = min(spec.retain_sample, len(retain))
    sample = np.sort(np.random.default_rng(np.random.SeedSequence([spec.seed, 1])).choice(retain, size, replace=False))
    return Split(retain=retain, forget=sides[0], validation=sides[1], test=sides[2], retain_sample=sample)
