"""The `image-folder` source: a host's own photographs in `images/`, with a `labels.csv` beside it."""

import codecs
import csv
import io
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from lethe.evaluator.contract.data_sources import ImageFolderSpec
from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.decoding import Unusable
from lethe.evaluator.data.sources.files import Files, Origin, by_reason, decode_all, require_own_pictures
from lethe.evaluator.data.sources.identities import spelt_twice

TABLE = "labels.csv"
PICTURES = "images"
COLUMNS = ("image", "identity", "label")
REQUIRED = ("image", "label")
SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Line:
    """One photograph of the table; `image` is a path below images/, spelt as the file is if there is one.

    `identity` is None where the table has no such column.
    """

    image: str
    identity: str | None
    label: int
    number: int


@dataclass(frozen=True)
class Pictures:
    """The files below images/: `exact` by their names, and those names by what people see and by what they mean."""

    folder: Path
    exact: frozenset[str]
    composed: dict[str, str] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)

    @classmethod
    def below(cls, folder: Path) -> "Pictures":
        """The files in the folder and its subfolders."""
        names = sorted(
            str((Path(parent) / name).relative_to(folder)) for parent, _, found in os.walk(folder) for name in found
        )
        return cls(
            folder.resolve(),
            frozenset(names),
            composed={_composed(name): name for name in names},
            folded={_composed(name).casefold(): name for name in names},
        )

    def spelt(self, image: str) -> str:
        """The file's name if it differs only in how Unicode composes it, as macOS does; else `image`."""
        return image if image in self.exact else self.composed.get(_composed(image), image)

    def alike(self, image: str) -> str | None:
        """The file whose name differs from that of a missing one in upper and lower case only; None without one."""
        return None if image in self.exact else self.folded.get(_composed(image).casefold())


def read_image_folder(data: ImageFolderSpec, files: Files) -> Photographs:
    """The photographs that `labels.csv` lists, with columns `image` (below images/), `identity` and `label`.

    Without the column `identity` each photograph is one. Photographs that no line names are ignored. Identities are
    texts, labels numbers from 0 to `data.classes` − 1, or names when the specification has `class_names`. Ages are 0:
    the table has none. Raises DataError that names every line or file that is wrong.
    """
    root = files.root("image-folder", f"{TABLE} and {PICTURES}/")
    pictures = Pictures.below(root / PICTURES)
    lines = read_table(root, data, pictures)
    paths = [root / PICTURES / line.image for line in lines]
    alike = {path: pictures.alike(line.image) for path, line in zip(paths, lines, strict=True)}
    images, places, sizes = decode_all(paths, root, data.image_size, files, alike=alike)
    kept = [lines[place] for place in places]
    people = tuple(line.image if line.identity is None else line.identity for line in kept)
    _, identities = np.unique(people, return_inverse=True)
    files.origin = Origin(tuple(line.image for line in kept), people, sizes)
    files.photographs = Photographs(
        images=images,
        labels=np.array([line.label for line in kept], dtype=np.int64),
        identities=identities.astype(np.int64),
        ages=np.zeros(len(kept), dtype=np.float32),
        classes=data.classes,
    )
    require_own_pictures(images, identities, files.origin.names)
    return files.photographs


def read_table(root: Path, data: ImageFolderSpec, pictures: Pictures) -> list[Line]:
    """The lines of labels.csv in its order; raises DataError that says what is wrong in which line.

    Values are separated by commas, semicolons or tabs, columns may be in any order and case, and others are ignored.
    """
    path = root / TABLE
    lines: list[Line] = []
    wrong: list[tuple[str, Unusable]] = []
    for number, row in _rows(path):
        try:
            lines.append(_line(number, row, pictures, data))
        except DataError as error:
            wrong.append((f"line {number}", Unusable(str(error))))
    wrong += _contradictions(lines)
    if wrong:
        reasons = by_reason(wrong)
        raise DataError(f"{path}: {reasons[0]}" if len(reasons) == 1 else "\n  ".join([f"{path}:", *reasons]))
    return lines


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield the number and the values of each line that has any, None for a missing value."""
    text = _text(path)
    header = text.partition("\n")[0]
    separator = max(SEPARATORS, key=header.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = [name.strip().casefold() for name in next(table, [])]
        if any(columns.count(name) != 1 for name in REQUIRED) or columns.count("identity") > 1:
            raise DataError(
                f"{path} has the columns {', '.join(columns).strip(', ') or '(none)'}; it must have image, identity, "
                "label, each once, separated by commas; without identity each photograph is its own"
            )
        places = {name: columns.index(name) for name in COLUMNS if name in columns}
        for row in table:
            if any(value.strip() for value in row):
                yield table.line_num, _named(row, places, columns)
    except csv.Error as error:
        raise DataError(f"cannot read {path} as a table: line {table.line_num}: {error}") from error


def _named(row: list[str], places: dict[str, int], columns: list[str]) -> dict[str, str | None]:
    if any(value.strip() for value in row[len(columns) :]):  # a comma within a value shifts the others
        return dict.fromkeys(places)
    return {name: row[place] if place < len(row) else None for name, place in places.items()}


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path} is in UTF-16, not in UTF-8: save it as “CSV UTF-8”")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, after = content[: error.start], content[error.start :]
        number = before.count(b"\n") + 1
        line = (before.rpartition(b"\n")[2] + after.partition(b"\n")[0]).decode("latin-1").strip()
        raise DataError(
            f"{path} is not in UTF-8: line {number} reads {line[:60]!r} in Latin-1. Save it as "
            f"“CSV UTF-8”, or convert it: iconv -f latin1 -t utf-8 {TABLE} > new.csv"
        ) from error


def _line(number: int, row: dict[str, str | None], pictures: Pictures, data: ImageFolderSpec) -> Line:
    if None in row.values():
        raise DataError("has not one value for each column; a value with a separator in it needs quotes")
    values = {name: (value or "").strip() for name, value in row.items()}
    given, identity, label = values["image"], values.get("identity"), values["label"]
    if not given or identity == "":
        raise DataError("image and identity must not be empty")
    image = pictures.spelt(given)
    parts = PurePosixPath(image)
    if parts.is_absolute() or ".." in parts.parts or "\\" in image or "\0" in image:
        raise DataError(f"{image!r} must be a path below {PICTURES}/, with / between folders and without ..")
    if not (pictures.folder / image).resolve().is_relative_to(pictures.folder):
        raise DataError(f"{image!r} is a link out of {PICTURES}/")
    person = None if identity is None else _composed(identity)
    return Line(str(parts), person, _class_of(_composed(label), data), number)


def _class_of(label: str, data: ImageFolderSpec) -> int:
    if data.class_names:
        names = [_composed(name) for name in data.class_names]
        if label not in names:
            raise DataError(f"the label {label!r} is none of data.class_names ({', '.join(data.class_names)})")
        return names.index(label)
    number = int(label) if label.isascii() and label.isdigit() else -1
    if not 0 <= number < data.classes:
        raise DataError(
            f"the label {label!r} is no whole number from 0 to {data.classes - 1} (data.classes = {data.classes})"
        )
    return number


def _contradictions(lines: list[Line]) -> list[tuple[str, Unusable]]:
    """Photographs that are listed twice, and identities that look alike."""
    seen: set[str] = set()
    wrong: dict[str, Unusable] = {}
    for line in lines:
        if line.image in seen:
            wrong[line.image] = Unusable("is listed twice")
        seen.add(line.image)
    named = ((f"line {line.number}", line.identity) for line in lines if line.identity is not None)
    return [*sorted(wrong.items()), *spelt_twice(named)]


def _composed(text: str) -> str:
    """The text with each letter and its marks as one character, so that texts that look alike are alike."""
    return unicodedata.normalize("NFC", text)
