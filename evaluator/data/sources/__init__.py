"""The sources of photographs: one registry, and one file for each source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import LEAST_PRACTICE, CompetitionSpec
from lethe.evaluator.data.forget_list import read_forget_list
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.arrays import read_arrays
from lethe.evaluator.data.sources.casia_surf import read_casia_surf
from lethe.evaluator.data.sources.digits import read_digits
from lethe.evaluator.data.sources.files import Files
from lethe.evaluator.data.sources.image_folder import read_image_folder
from lethe.evaluator.data.sources.installed import read_installed
from lethe.evaluator.data.sources.synthetic_faces import synthetic_faces
from lethe.evaluator.data.sources.torchvision_sets import read_cifar10, read_cifar100, read_svhn
from lethe.evaluator.data.splits import DRAWS, ONE_IDENTITY, PUBLISHED_PEOPLE

__all__ = ["Collection", "Files", "load_collection", "practice_photographs"]

# Each reads all photographs of its source, of hidden and of practice people.
READERS: dict[str, Callable[[Any, Files], Photographs]] = {
    "casia-surf": read_casia_surf,
    "image-folder": read_image_folder,
    "arrays": read_arrays,
    "installed": read_installed,
    "digits": read_digits,
    "cifar10": read_cifar10,
    "cifar100": read_cifar100,
    "svhn": read_svhn,
}

# The second word of the seeds keeps hidden and practice people apart even when both specifications name one seed.
_HIDDEN, _PRACTICE = 0, 1


@dataclass(frozen=True)
class Collection:
    """The photographs of a competition; nobody in `practice` is in `hidden`. `is_hidden` (T,) bool says which of the
    source's photographs, in its order, are the hidden ones. `forgotten`: which hidden ones the host has listed; None
    where they are drawn.
    """

    hidden: Photographs
    practice: Photographs
    is_hidden: NDArray[np.bool_]
    forgotten: NDArray[np.bool_] | None = None


def load_collection(spec: CompetitionSpec, files: Files) -> Collection:
    """The photographs of the competition, made or read as the specification says; the same ones every time.

    Raises DataError with what to correct, and ValueError when a generator's seed was not drawn yet.
    """
    data = spec.data
    if isinstance(data, SyntheticFacesSpec):
        if data.seed is None:
            raise ValueError("data.seed was not drawn")
        files.report(0, 2)
        hidden = synthetic_faces(data, data.identities, np.random.SeedSequence([data.seed, _HIDDEN]))
        files.report(1, 2)
        practice = practice_photographs(spec, files)
        files.report(2, 2)
        files.photographs = hidden
        everybody = np.ones(len(hidden), dtype=bool)
        return Collection(hidden, practice, is_hidden=everybody, forgotten=_listed(spec, hidden, files))
    files.photographs = READERS[data.source](data, files)
    photographs = files.photographs
    return set_aside(photographs, spec, _listed(spec, photographs, files), _kept_hidden(photographs, files))


def practice_photographs(spec: CompetitionSpec, files: Files) -> Photographs:
    """Only the photographs for participants to practise on; needs no secret seed. Raises DataError."""
    data = spec.data
    if isinstance(data, SyntheticFacesSpec):
        return synthetic_faces(data, spec.practice.identities, np.random.SeedSequence([spec.practice.seed, _PRACTICE]))
    photographs = READERS[data.source](data, files)
    return set_aside(photographs, spec, _listed(spec, photographs, files), _kept_hidden(photographs, files)).practice


def _listed(spec: CompetitionSpec, photographs: Photographs, files: Files) -> NDArray[np.bool_] | None:
    return read_forget_list(spec.split.forget, photographs, files) if spec.split.forget else None


def _kept_hidden(photographs: Photographs, files: Files) -> NDArray[np.bool_] | None:
    """Which photographs the forget lists of other tasks name; None without any."""
    lists = [read_forget_list(name, photographs, files) for name in files.kept_hidden]
    return np.logical_or.reduce(lists) if lists else None


def set_aside(
    photographs: Photographs,
    spec: CompetitionSpec,
    forgotten: NDArray[np.bool_] | None = None,
    kept_hidden: NDArray[np.bool_] | None = None,
) -> Collection:
    """Set `practice.identities` random identities apart for practice; the others are hidden.

    Uniformly random among the choices that leave every class something hidden. People on `forgotten` photographs (T,),
    on those that are `kept_hidden` (T,), and under the published split its forgotten people, stay hidden. Raises
    DataError when more than half of the identities would go to practice, or always a class.
    """
    people = np.unique(photographs.identities)
    wanted = spec.practice.identities
    if len(people) < 2:
        raise DataError(ONE_IDENTITY)
    if 2 * wanted > len(people):
        remedy = "lower it" if len(people) >= 2 * LEAST_PRACTICE else f"there must be {2 * LEAST_PRACTICE} or more"
        raise DataError(
            f"practice.identities = {wanted} of {len(people)} identities leaves too few for the competition; {remedy}"
        )
    is_published = spec.split.forget_by == "published"
    needed = PUBLISHED_PEOPLE * (1 + spec.split.final) if is_published else 0
    free = people[min(needed, len(people) - wanted) :]
    reserved = [rows for rows in (forgotten, kept_hidden) if rows is not None]
    if reserved:
        free = np.setdiff1d(free, photographs.identities[np.logical_or.reduce(reserved)])
        if len(free) < wanted:
            raise DataError(
                f"practice.identities = {wanted}, and split.forget leaves {len(free)} identities that may become "
                "public; lower it, or list fewer to forget"
            )
    generator = np.random.default_rng(np.random.SeedSequence([spec.practice.seed, _PRACTICE]))
    classes = np.unique(photographs.labels)
    for _ in range(DRAWS):
        inside = np.isin(photographs.identities, generator.choice(free, wanted, replace=False))
        if np.array_equal(np.unique(photographs.labels[~inside]), classes):
            return Collection(
                hidden=photographs.take(np.flatnonzero(~inside)),
                practice=photographs.take(np.flatnonzero(inside)),
                is_hidden=~inside,
                forgotten=None if forgotten is None else forgotten[~inside],
            )
    raise DataError(
        f"practice.identities = {wanted} of {len(people)} identities always takes a class with them: lower it, or add "
        "identities of the rare classes"
    )
