"""Splits photographs into retain, forget, validation and test: a pure function of identities, labels and a seed."""

import hashlib
import random
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.specification import SplitSpec
from lethe.evaluator.data.photographs import DataError

Rows = NDArray[np.int64]
DRAWS = 1_000
VISIBLE_PARTS = ("retain", "forget", "validation")
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
    together complete but for what `draw_splits` leaves out.
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

    @property
    def named(self) -> dict[str, Split]:
        """`public` and, where specified, `final`."""
        return {"public": self.public} | ({} if self.final is None else {"final": self.final})


@dataclass(frozen=True)
class _DrawnSplits:
    """One attempt: the photographs that are held out, and those that each split forgets."""

    validation: Rows
    test: Rows
    forgets: list[Rows]


def draw_splits(
    identities: Rows,
    labels: Rows,
    spec: SplitSpec,
    *,
    batch_size: int | None = None,
    hidden: NDArray[np.bool_] | None = None,
    forgotten: NDArray[np.bool_] | None = None,
    memorisation: NDArray[np.float64] | None = None,
) -> Splits:
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

    `forget_count` takes the place of that share, and `forget_class` leaves only photographs of that class to draw from,
    or is the class. `forgotten` (N,) marks what is forgotten by hand: then nothing of it is drawn, and validation and
    test are other persons.

    `memorisation` (N,) replaces chance where `difficulty` asks for it: of the persons (by the mean of their
    photographs) or photographs that are not held out, those with the highest or lowest are forgotten, shared out at
    random between two splits.

    Batches of `batch_size` photographs never end with one that is alone, because batch norm cannot train on it: where
    a part that guests see would, one photograph of its most frequent class is left out of all parts.

    Draws that lose a class are repeated, and with a batch size those with a part of a single photograph. Raises
    DataError when none of 1,000 draws will do, and when too little would remain.
    """
    people = np.unique(identities)
    if len(people) < 2:
        raise DataError(ONE_IDENTITY)
    if len(labels) < 8:
        raise DataError(f"{len(labels)} photographs are too few to split")
    generator = np.random.default_rng(np.random.SeedSequence([_seed(spec), 0]))
    attempts = 1 if spec.forget_by == "published" else DRAWS
    for _ in range(attempts):
        if forgotten is not None:
            draw = _by_hand(identities, spec, generator, np.flatnonzero(forgotten))
        elif spec.forget_by == "published":
            draw = _published(identities, spec, np.ones(len(labels), dtype=bool) if hidden is None else hidden)
        else:
            draw = _DRAW_BY[spec.forget_by](identities, labels, spec, generator)
            if memorisation is not None:
                draw = _by_difficulty(draw, identities, labels, spec, generator, memorisation)
        splits = [_split(draw, forget, labels, spec, batch_size) for forget in draw.forgets]
        reasons = [_why_not(labels, split, spec, batch_size) for split in splits]
        if not any(reasons):
            break
    else:
        raise DataError(next(filter(None, reasons)))
    splits = [
        replace(split, retain_sample=_sample(split.retain, spec, part)) for part, split in enumerate(splits, start=1)
    ]
    return Splits(public=splits[0], final=splits[1] if spec.final else None)


def _by_identity(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:  # noqa: ARG001 - all draws are called alike
    people = np.unique(identities)
    validation, test = (_share(fraction, len(people)) for fraction in (spec.validation_fraction, spec.test_fraction))
    forget = _count(spec, len(people))
    final = forget if spec.final else 0
    if len(people) - forget - validation - test - final < 2:
        raise DataError(
            f"{len(people)} identities are too few: {forget} to forget, {validation} for validation and {test} for test"
            f"{f' and {final} to forget in the final split' if final else ''} leave fewer than two to retain"
        )
    chosen = np.split(generator.permutation(people), np.cumsum([forget, validation, test, final]))
    rows = [_rows_of(identities, side) for side in chosen]
    return _DrawnSplits(validation=rows[1], test=rows[2], forgets=[rows[0], rows[3]][: 1 + spec.final])


def _by_example(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:
    validation, test, rest = _hold_out(identities, spec, generator)
    if spec.forget_class < 0:
        count = _count(spec, len(identities))
    else:
        count = _count(spec, int(np.count_nonzero(labels == spec.forget_class)))
        mine = rest[labels[rest] == spec.forget_class]
        if count * (1 + spec.final) > len(mine):
            raise DataError(
                f"split: {count * (1 + spec.final)} photographs of class {spec.forget_class} are to be forgotten, and "
                f"{len(mine)} are in neither validation nor test: forget fewer"
            )
        return _DrawnSplits(validation, test, _consecutive(generator.permutation(mine), count, spec))
    if count * (1 + spec.final) + 2 > len(rest):
        raise DataError(f"split: {count} photographs to forget leave fewer than two photographs to retain")
    return _DrawnSplits(validation, test, _consecutive(generator.permutation(rest), count, spec))


def _by_class(identities: Rows, labels: Rows, spec: SplitSpec, generator: np.random.Generator) -> _DrawnSplits:
    validation, test, rest = _hold_out(identities, spec, generator)
    classes = np.unique(labels)
    if spec.forget_class >= 0:
        return _DrawnSplits(validation, test, [rest[labels[rest] == spec.forget_class]])
    count = _count(spec, len(classes))
    if count * (1 + spec.final) >= len(classes):
        raise DataError(f"split: {count * (1 + spec.final)} classes to forget leave none of {len(classes)} classes")
    chosen = _consecutive(generator.permutation(classes), count, spec)
    return _DrawnSplits(validation, test, [rest[np.isin(labels[rest], some)] for some in chosen])


def _by_hand(identities: Rows, spec: SplitSpec, generator: np.random.Generator, forget: Rows) -> _DrawnSplits:
    listed = np.isin(identities, identities[forget])
    people, others = np.unique(identities), np.unique(identities[~listed])
    validation, test = (_share(fraction, len(people)) for fraction in (spec.validation_fraction, spec.test_fraction))
    if len(others) < validation + test:
        raise DataError(
            f"split.forget leaves {len(others)} other identities, too few for {validation} in validation and {test} in "
            "test: list fewer to forget"
        )
    sides = np.split(generator.permutation(others), np.cumsum([validation, test]))
    held_out = [_rows_of(identities, side) for side in sides[:2]]
    if len(identities) - len(forget) - sum(map(len, held_out)) < 2:
        raise DataError("split.forget leaves fewer than two photographs to retain: list fewer to forget")
    return _DrawnSplits(held_out[0], held_out[1], [forget])


def _by_difficulty(
    draw: _DrawnSplits,
    identities: Rows,
    labels: Rows,
    spec: SplitSpec,
    generator: np.random.Generator,
    memorisation: NDArray[np.float64],
) -> _DrawnSplits:
    """`draw` with as many persons or photographs to forget, those that are memorised most or least."""
    units = identities if spec.forget_by == "identity" else np.arange(len(identities))
    rest = _others(len(identities), draw.validation, draw.test)
    if spec.forget_class >= 0:
        rest = rest[labels[rest] == spec.forget_class]
    names, place = np.unique(units[rest], return_inverse=True)
    means = np.bincount(place, weights=memorisation[rest]) / np.bincount(place)
    count = len(np.unique(units[draw.forgets[0]]))
    ranked = np.argsort(-means if spec.difficulty == "high" else means, kind="stable")
    chosen = generator.permutation(names[ranked[: count * len(draw.forgets)]])
    return replace(draw, forgets=[_rows_of(units, side) for side in np.split(chosen, len(draw.forgets))])


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


def _count(spec: SplitSpec, total: int) -> int:
    """How many of `total` are forgotten."""
    return spec.forget_count or _share(spec.forget_fraction, total)


def _share(fraction: float, total: int) -> int:
    return max(1, round(fraction * total))


def _rows_of(identities: Rows, people: Rows) -> Rows:
    return np.flatnonzero(np.isin(identities, people))


def _others(count: int, *sides: Rows) -> Rows:
    return np.setdiff1d(np.arange(count), np.concatenate(sides))


def _split(draw: _DrawnSplits, forget: Rows, labels: Rows, spec: SplitSpec, batch_size: int | None) -> Split:
    """The split that forgets `forget`, without the photographs that would be alone in a batch; no retain sample yet."""
    split = Split(
        retain=_others(len(labels), draw.validation, draw.test, forget),
        forget=forget,
        validation=draw.validation,
        test=draw.test,
        retain_sample=forget[:0],
    )
    if batch_size is None:
        return split
    kept = {}
    for place, part in enumerate(VISIBLE_PARTS):  # each with a generator: both splits have the same validation
        generator = np.random.default_rng(np.random.SeedSequence([_seed(spec), 3, place]))
        kept[part] = _without_lone(getattr(split, part), labels, batch_size, generator)
    return replace(split, **kept)


def _without_lone(rows: Rows, labels: Rows, batch_size: int, generator: np.random.Generator) -> Rows:
    """`rows`, or where batches of several leave one over, all but a random one of the most frequent class."""
    if len(rows) % batch_size != 1 or len(rows) == 1:
        return rows
    frequent = rows[labels[rows] == np.bincount(labels[rows]).argmax()]
    kept: Rows = rows[rows != generator.choice(frequent)]
    return kept


def _keeps_classes(labels: Rows, split: Split, spec: SplitSpec) -> bool:
    wanted = np.unique(labels)
    if spec.forget_by == "class" and not spec.forget:
        wanted = np.setdiff1d(wanted, labels[split.forget])
    return len(split.forget) > 0 and np.array_equal(np.unique(labels[split.retain]), wanted)


def _why_not(labels: Rows, split: Split, spec: SplitSpec, batch_size: int | None) -> str:
    """Why a split will not do; empty if it will."""
    if not _keeps_classes(labels, split, spec):
        return _lost_class(labels, split.retain, spec)
    single = next((part for part in VISIBLE_PARTS if batch_size and len(getattr(split, part)) == 1), None)
    if single is None:
        return ""
    is_fixed = spec.forget_by == "published" or (single == "forget" and (spec.forget or spec.forget_count))
    remedy = "" if single == "retain" or is_fixed else f"raise split.{single}_fraction, or "
    return f"{single} has one photograph, and batch norm cannot train on a batch of one: {remedy}add photographs"


def _lost_class(labels: Rows, retain: Rows, spec: SplitSpec) -> str:
    classes = np.unique(labels)
    absent = np.setdiff1d(classes, labels[retain])
    example = f" (the last draw lost class {', '.join(map(str, absent[:5]))})" if len(absent) else ""
    if spec.difficulty:
        return (
            f"no split leaves all {len(classes)} classes in retain{example}, since the photographs of difficulty = "
            f"'{spec.difficulty}' are those of one class: forget fewer"
        )
    if spec.forget:
        return f"split.forget leaves no split with all {len(classes)} classes in retain{example}: list fewer to forget"
    remedy = "add identities" if spec.forget_by == "published" else "add identities, or lower the fractions"
    return f"no split leaves all {len(classes)} classes in retain{example}: {remedy} for forget, validation and test"


def _sample(retain: Rows, spec: SplitSpec, part: int) -> Rows:
    generator = np.random.default_rng(np.random.SeedSequence([_seed(spec), part]))
    return np.sort(generator.choice(retain, min(spec.retain_sample, len(retain)), replace=False))
