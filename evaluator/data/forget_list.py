"""A forget set by hand: a host's table of identities or images, read as rows of the source's photographs."""

import csv
import difflib
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.data.photographs import DataError, Photographs
from lethe.evaluator.data.sources.decoding import Unusable
from lethe.evaluator.data.sources.files import Files, by_reason

COLUMNS = ("identity", "image")


def read_forget_list(name: str, photographs: Photographs, files: Files) -> NDArray[np.bool_]:
    """Which of the photographs (T,) the table `name` beside the specification lists.

    Its only column is `identity`, all of whose photographs are meant, or `image`: a path as labels.csv has it, or,
    where the source reads no files, the number of a photograph from 0. Raises DataError that names every wrong line.
    """
    if files.beside is None:
        raise DataError(f"split.forget = {name!r} is read from beside the specification, which is no file here")
    if Path(name).name != name:
        raise DataError(f"split.forget = {name!r} must be a file beside the specification")
    path = files.beside / name
    column, lines = _read(path)
    names = _names(column, photographs, files)
    places: dict[str, list[int]] = {}
    for row, one in enumerate(names):
        places.setdefault(one, []).append(row)
    chosen = np.zeros(len(photographs), dtype=bool)
    first: dict[str, int] = {}
    wrong: list[tuple[str, Unusable]] = []
    for number, value in lines:
        if value in first:
            wrong.append((f"line {first[value]} and line {number} ({value!r})", Unusable("is listed twice")))
        elif value not in places:
            near = difflib.get_close_matches(value, places, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            wrong.append((f"line {number}", Unusable(f"there is no {column} {value!r}{hint}")))
        first.setdefault(value, number)
        chosen[places.get(value, [])] = True
    if wrong:
        raise DataError("\n  ".join([f"{path}:", *by_reason(wrong)]))
    return chosen


def _read(path: Path) -> tuple[str, list[tuple[int, str]]]:
    """The column's name, and each value with the number of its line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    try:
        table = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [one.strip().casefold() for one in next(table, [])]
        if len(header) != 1 or header[0] not in COLUMNS:
            raise DataError(f"{path} must have one column, called identity or image, and its name on the first line")
        rows = [(table.line_num, row) for row in table if any(one.strip() for one in row)]
    except csv.Error as error:
        raise DataError(f"cannot read {path} as a table: {error}") from error
    if not rows:
        raise DataError(f"{path} lists nothing: there must be something to forget")
    if odd := [f"line {number}" for number, row in rows if len(row) != 1]:
        raise DataError(f"{path}: {odd[0]} has several values; a value with a comma in it needs quotes")
    return header[0], [(number, unicodedata.normalize("NFC", row[0].strip())) for number, row in rows]


def _names(column: str, photographs: Photographs, files: Files) -> Sequence[str]:
    """What the photographs are called in this column."""
    if column == "image":
        rows = [str(row) for row in range(len(photographs))]
        names: Sequence[str] = rows if files.origin is None else files.origin.names
    else:
        names = _people(photographs, files)
    return [unicodedata.normalize("NFC", one) for one in names]


def _people(photographs: Photographs, files: Files) -> Sequence[str]:
    if files.origin is not None and files.origin.has_people:
        return files.origin.people
    if files.people is not None:
        return files.people
    if len(np.unique(photographs.identities)) == len(photographs):
        raise DataError("split.forget: this source does not say who is on its images: list them in a column image")
    return [str(one) for one in photographs.identities]
