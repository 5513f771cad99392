"""The `image-folder` source: a host's own photographs in `images/`, with a `labels.csv` beside it."""

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lethe.evaluator.contract.data_sources import ImageFolderSpec
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.files import NAMED, Files, decode_all, require_own_pictures

TABLE = "labels.csv"
PICTURES = "images"
COLUMNS = {"image", "identity", "label"}


@dataclass(frozen=True)
class Line:
    """One photograph of the table; `image` is a path below images/."""

    image: str
    identity: str
    label: int


def read_image_folder(data: ImageFolderSpec, files: Files) -> Photographs:
    """The photographs that `labels.csv` lists, with columns `image` (below images/), `identity` and `label`.

    Photographs that no line names are ignored. Identities are texts, labels numbers from 0 to `data.classes` − 1, or
    names when the specification has `class_names`. Ages are 0: the table has none. Raises DataError that names every
    line or file that is wrong.
    """
    root = files.root("image-folder", f"{TABLE} and {PICTURES}/")
    lines = read_table(root, data)
    paths = [root / PICTURES / line.image for line in lines]
    images, places = decode_all(paths, root, data.image_size, files)
    kept = [lines[place] for place in places]
    _, identities = np.unique([line.identity for line in kept], return_inverse=True)
    require_own_pictures(images, identities, [line.image for line in kept])
    return Photographs(
        images=images,
        labels=np.array([line.label for line in kept], dtype=np.int64),
        identities=identities.astype(np.int64),
        ages=np.zeros(len(kept), dtype=np.float32),
        classes=data.classes,
    )


def read_table(root: Path, data: ImageFolderSpec) -> list[Line]:
    """The lines of labels.csv in its order; raises DataError that says what is wrong in which line."""
    path = root / TABLE
    inside = (root / PICTURES).resolve()
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            table = csv.DictReader(stream, strict=True)
            columns = [name.strip() for name in table.fieldnames or []]
            if set(columns) != COLUMNS or len(columns) != len(COLUMNS):
                raise DataError(
                    f"{path} has the columns {', '.join(columns) or '(none)'}; it must have image, identity, label, "
                    "separated by commas"
                )
            table.fieldnames = columns
            rows = [(table.line_num, row) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path} as a table in UTF-8: {error}") from error
    lines: list[Line] = []
    wrong: list[str] = []
    for number, row in rows:
        try:
            lines.append(_line(row, inside, data))
        except DataError as error:
            wrong.append(f"line {number}: {error}")
    wrong += _contradictions(lines)
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise DataError(f"{path}: {'; '.join(wrong[:NAMED])}{more}")
    return lines


def _line(row: dict[str, str], inside: Path, data: ImageFolderSpec) -> Line:
    if None in row or None in row.values():
        raise DataError("needs exactly three values")
    image, identity, label = (row[name].strip() for name in ("image", "identity", "label"))
    if not image or not identity:
        raise DataError("image and identity must not be empty")
    parts = PurePosixPath(image)
    if parts.is_absolute() or ".." in parts.parts or "\\" in image or "\0" in image:
        raise DataError(f"{image!r} must be a path below {PICTURES}/, with / between folders and without ..")
    if not (inside / image).resolve().is_relative_to(inside):
        raise DataError(f"{image!r} is a link out of {PICTURES}/")
    return Line(str(parts), identity, _class_of(label, data))


def _class_of(label: str, data: ImageFolderSpec) -> int:
    if data.class_names:
        if label not in data.class_names:
            raise DataError(f"the label {label!r} is none of data.class_names ({', '.join(data.class_names)})")
        return data.class_names.index(label)
    number = int(label) if label.isascii() and label.isdigit() else -1
    if not 0 <= number < data.classes:
        raise DataError(f"the label {label!r} is no whole number from 0 to {data.classes - 1}")
    return number


def _contradictions(lines: list[Line]) -> list[str]:
    """Photographs that are listed twice, and identities that differ in upper and lower case only."""
    seen: set[str] = set()
    spelt: dict[str, str] = {}
    wrong = []
    for line in lines:
        if line.image in seen:
            wrong.append(f"{line.image} is listed twice")
        seen.add(line.image)
        first = spelt.setdefault(line.identity.casefold(), line.identity)
        if first != line.identity:
            wrong.append(f"the identities {first!r} and {line.identity!r} differ in upper and lower case only")
    return sorted(set(wrong))
