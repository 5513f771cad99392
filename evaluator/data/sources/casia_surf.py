"""The `casia-surf` source: the data set of the 2023 challenge in its published folder layout."""

from pathlib import Path

import numpy as np

from lethe.evaluator.contract.data_sources import CasiaSurfSpec
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.decoding import Unusable
from lethe.evaluator.data.sources.files import NAMED, Files, Origin, decode_all, require_own_pictures

LIST = "Age_Gender.txt"
PICTURES = "WBackground"
PATTERN = "real.rssdk/color/*.jpg"
OLDEST = 120.0  # years


def read_casia_surf(data: CasiaSurfSpec, files: Files) -> Photographs:
    """The colour photographs of real faces of all persons whose age is known, in the published code's order.

    `Age_Gender.txt` has a line `id age gender` per person; photographs lie at
    `WBackground/…/<id>/real.rssdk/color/*.jpg`, and are ordered by the folder of the person and the file, as texts. The
    ages from the youngest to a year above the oldest of all persons in the list, with photographs or without, are cut
    into `data.classes` equally wide groups. Identities are numbered in the order of their ids as texts. Raises
    DataError that says which file or line is wrong.
    """
    root = files.root("casia-surf", f"{LIST} and {PICTURES}/")
    ages = read_ages(root / LIST)
    paths = sorted((root / PICTURES).rglob(PATTERN), key=lambda path: (str(path.parents[2]), str(path)))
    if not paths:
        raise DataError(f"there are no photographs {PICTURES}/…/<person>/{PATTERN} in {root}")
    known = [path for path in paths if person_of(path) in ages]
    unknown = Unusable(f"{LIST} has no age of this person")
    files.leave_out([(str(path.relative_to(root)), unknown) for path in paths if person_of(path) not in ages])
    images, places, sizes = decode_all(known, root, data.image_size, files)
    persons = [person_of(known[place]) for place in places]
    _, identities = np.unique(persons, return_inverse=True)
    years = np.array([ages[person] for person in persons], dtype=np.float32)
    if years.min() == years.max():
        raise DataError(f"everybody in {root} is {years.min():.0f} years old: there are no age groups to tell apart")
    files.origin = Origin(tuple(str(known[place].relative_to(root)) for place in places), tuple(persons), sizes)
    files.photographs = Photographs(
        images=images,
        labels=np.digitize(years, np.linspace(min(ages.values()), max(ages.values()) + 1, data.classes + 1)) - 1,
        identities=identities.astype(np.int64),
        ages=years,
        classes=data.classes,
    )
    require_own_pictures(images, identities, files.origin.names)
    return files.photographs


def read_ages(path: Path) -> dict[str, float]:
    """The age in years by person; raises DataError that names each wrong line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    ages: dict[str, float] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        person, age, *_ = [*line.split(), "", ""]
        years = _years(age)
        if years is None:
            wrong.append(f"line {number}: expected 'id age gender' with an age in years, found {line.strip()[:60]!r}")
        elif ages.setdefault(person, years) != years:
            wrong.append(f"line {number}: {person} has another age above")
    if wrong:
        raise DataError(f"{path}: {'; '.join(wrong[:NAMED])}")
    return ages


def person_of(path: Path) -> str:
    """The id of the person on a photograph: the name of the folder that holds `real.rssdk`."""
    return path.parts[-4]


def _years(text: str) -> float | None:
    try:
        years = float(text)
    except ValueError:
        return None
    return years if 0 <= years <= OLDEST else None
