"""Splits photographs into retain, forget, validation and test: a pure function of identities, labels and a seed."""

import hashlib
import random
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.specification import SplitSpec
from lethe.evaluator.data.photographs import DataError

Rows = NDArray[np.int64]
DRAWS = 1_000
PUBLISHED_SEED = 43
PUBLISHED_PEOPLE = 15
PUBLISHED_ENDS = (0.8, 0.9)  # of the shuffled photographs: to train on, then for validation
ONE_IDENTITY = (
    "all photographs are of one identity: nobody would remain to be retained; there must be more people, and each must "
    "have an identity of its own"
)


@dataclass(frozen=True)
class Split:
    """Rows of the photographs on each side, ascending. `retain_sample` is part of `retain`; the others are disjoint and
    together complete.
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


@dataclass(frozen=True)
class Splits:
    """The public split and, where specified, the final one, with the same validation and test photographs and another
    forget set that shares no person, photograph or class. Each retains the forget set of the other.
    """

    public: Split
    final: Split | None


@dataclass(frozen=True)
class _DrawnSplits:
    """One attempt: the photographs that are held out, and those that each split forgets."""

    validation: Rows
    test: Rows
    forgets: list[Rows]


def draw_splits(identities: Rows, labels: Rows, spec: SplitSpec, *, hidden: NDArray[np.bool_] | None = None) -> Splits:
    """The splits that `spec` describes, uniformly random among those that leave every class in every retain part.

    identities, labels: (N,) int64. Validation and test take all photographs of the persons drawn for them, as many as
    the fractions say of all persons, rounded and at least one. `forget_by` chooses what is forgotten of the others:

    - `identity`: all photographs of as many random persons as `forget_fraction` says, rounded and at least one;
    - `example`: that fraction of all photographs, at random;
    - `class`: that fraction of the classes, all their photographs but those held out; retain then lacks them;
    - `published`: the split of the 2023 challenge: of the photographs in the order of Python's
      `random.Random(43).shuffle`, the first 80% to train on, the next tenth for validation, the last for test, whoever
      they show. Forgotten are the photographs to train on of the first 15 persons who have any, in the order of their
      identifiers (in the final split of the next 15). Of all T photographs of the source, those that are not `hidden`
      (T,) keep their places in that order and belong to no part; by default all are hidden.

    Draws that lose a class are repeated. Raises DataError when 1,000 draws all lose one, and when too little would
    remain.
    """
    people = np.unique(identities)
    if len(people) < 2:
        raise DataError(ONE_IDENTITY)
    if len(labels) < 8:
        raise DataError(f"{len(labels)} photographs are too few to split")
    generator = np.random.default_rng(np.random.SeedSequence([_seed(spec), 0]))
    attempts = 1 if spec.forget_by == "published" else DRAWS
    for _ in range(attempts):
        if spec.forget_by == "published":
            draw = _published(identities, spec, np.ones(len(labels), dtype=bool) if hidden is None else hidden)
        else:
            draw = _DRAW_BY[spec.forget_by](identities, labels, spec, generator)
        retains = [_others(len(labels), draw.validation, draw.test, forget) for forget in draw.forgets]
        if all(
            _keeps_classes(labels, retain, forget, spec) for retain, forget in zip(retains, draw.forgets, strict=True)
        ):
            break
    else:
        raise DataError(_lost_class(labels, retains[0], spec))
    splits = [
        Split(
            retain=retain,
            forget=forget,
            validation=draw.validation,
            test=draw.test,
            retain_sample=_sample(retain, spec, part),
        )
        for part, (retain, forget) in enumerate(zip(retains, draw.forgets, strict=True), start=1)
    ]
    return Splits(public=splits[0], final=splits[1] if spec.final else None)


def _by_identity(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:  # noqa: ARG001 - all draws are called alike
    people = np.unique(identities)
    forget, validation, test = (
        _share(fraction, len(people))
        for fraction in (spec.forget_fraction, spec.validation_fraction, spec.test_fraction)
    )
    final = forget if spec.final else 0
    if len(people) - forget - validation - test - final < 2:
        raise DataError(
            f"{len(people)} identities are too few: {forget} to forget, {validation} for validation and {test} for test"
            f"{f' and {final} to forget in the final split' if final else ''} leave fewer than two to retain"
        )
    chosen = np.split(generator.permutation(people), np.cumsum([forget, validation, test, final]))
    rows = [_rows_of(identities, side) for side in chosen]
    return _DrawnSplits(validation=rows[1], test=rows[2], forgets=[rows[0], rows[3]][: 1 + spec.final])


def _by_example(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:  # noqa: ARG001
    validation, test, rest = _hold_out(identities, spec, generator)
    count = _share(spec.forget_fraction, len(identities))
    if count * (1 + spec.final) + 2 > len(rest):
        raise DataError(f"split.forget_fraction = {spec.forget_fraction} leaves fewer than two photographs to retain")
    return _DrawnSplits(validation, test, _consecutive(generator.permutation(rest), count, spec))


def _by_class(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:
    validation, test, rest = _hold_out(identities, spec, generator)
    classes = np.unique(labels)
    count = _share(spec.forget_fraction, len(classes))
    if count * (1 + spec.final) >= len(classes):
        raise DataError(f"split.forget_fraction = {spec.forget_fraction} leaves none of {len(classes)} classes")
    chosen = _consecutive(generator.permutation(classes), count, spec)
    return _DrawnSplits(validation, test, [rest[np.isin(labels[rest], some)] for some in chosen])


def _published(identities: Rows, spec: SplitSpec, hidden: NDArray[np.bool_]) -> _DrawnSplits:
    needed = PUBLISHED_PEOPLE * (1 + spec.final) + 2
    if len(np.unique(identities)) < needed:
        raise DataError(f"the published split needs {needed} identities or more, not {len(np.unique(identities))}")
    order = list(range(len(hidden)))
    random.Random(PUBLISHED_SEED).shuffle(order)  # noqa: S311 - the published order, no secret
    sides = np.split(np.array(order), [int(share * len(order)) for share in PUBLISHED_ENDS])
    rest, validation, test = (np.flatnonzero(np.isin(np.flatnonzero(hidden), side)) for side in sides)
    if min(len(validation), len(test)) == 0:
        raise DataError("the practice data take all photographs of validation or test: lower practice.identities")
    people = np.unique(identities[rest])
    chosen = [people[start : start + PUBLISHED_PEOPLE] for start in (0, PUBLISHED_PEOPLE)][: 1 + spec.final]
    return _DrawnSplits(validation, test, [rest[np.isin(identities[rest], some)] for some in chosen])


_DRAW_BY = {"identity": _by_identity, "example": _by_example, "class": _by_class}


def _hold_out(identities: Rows, spec: SplitSpec, generator: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Photographs of random persons for validation and test, and those of everybody else."""
    people = np.unique(identities)
    validation, test = (_share(fraction, len(people)) for fraction in (spec.validation_fraction, spec.test_fraction))
    if len(people) - validation - test < 2:
        raise DataError(
            f"{len(people)} identities are too few: {validation} for validation and {test} for test leave fewer than "
            "two to train on"
        )
    sides = np.split(generator.permutation(people), np.cumsum([validation, test]))
    first, second, rest = (_rows_of(identities, side) for side in sides)
    return first, second, rest


def _consecutive(shuffled: Rows, count: int, spec: SplitSpec) -> list[Rows]:
    """The first `count` values for the public split and the next ones for the final split, each ascending."""
    return [np.sort(shuffled[part * count : (part + 1) * count]) for part in range(1 + spec.final)]


def _seed(spec: SplitSpec) -> int:
    if spec.seed is None:
        raise ValueError("split.seed was not drawn")
    return spec.seed


def _share(fraction: float, total: int) -> int:
    return max(1, round(fraction * total))


def _rows_of(identities: Rows, people: Rows) -> Rows:
    return np.flatnonzero(np.isin(identities, people))


def _others(count: int, *sides: Rows) -> Rows:
    return np.setdiff1d(np.arange(count), np.concatenate(sides))


def _keeps_classes(labels: Rows, retain: Rows, forget: Rows, spec: SplitSpec) -> bool:
    wanted = np.unique(labels)
    if spec.forget_by == "class":
        wanted = np.setdiff1d(wanted, labels[forget])
    return len(forget) > 0 and np.array_equal(np.unique(labels[retain]), wanted)


def _lost_class(labels: Rows, retain: Rows, spec: SplitSpec) -> str:
    classes = np.unique(labels)
    absent = np.setdiff1d(classes, labels[retain])
    example = f" (the last draw lost class {', '.join(map(str, absent[:5]))})" if len(absent) else ""
    remedy = "add identities" if spec.forget_by == "published" else "add identities, or lower the fractions"
    return f"no split leaves all {len(classes)} classes in retain{example}: {remedy} for forget, validation and test"


def _sample(retain: Rows, spec: SplitSpec, part: int) -> Rows:
    generator = np.random.default_rng(np.random.SeedSequence([_seed(spec), part]))
    return np.sort(generator.choice(retain, min(spec.retain_sample, len(retain)), replace=False))
