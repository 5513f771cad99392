"""Reads a specification from its TOML file; every mistake is named with file, line and what is possible there."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lethe.evaluator.contract.data_sources import SOURCES
from lethe.evaluator.contract.installed import ARCHITECTURES, installed, module_source
from lethe.evaluator.contract.networks import BUILT_IN
from lethe.evaluator.contract.specification import CompetitionSpec, TaskSpec
from lethe.evaluator.errors import EvaluatorError

SHIPPED = Path(__file__).with_name("specifications")
SHOWN_CHARS = 60  # of a wrong value
_TABLE = re.compile(r"\s*\[+\s*([A-Za-z0-9_.\s-]+?)\s*\]+\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")
_LONG_QUOTES = re.compile(r'"""|\'\'\'')


class SpecificationError(EvaluatorError, ValueError):
    """A specification file is wrong; the message names the file and every mistake in it, one a line."""


def load_specification(source: Path | str) -> CompetitionSpec:
    """The validated specification in a TOML file, or the shipped one of that name; raises SpecificationError.

    Lethe ships `cifar10`, `demo`, `digits`, `faces-tasks` and `surf`.
    """
    path, shipped = Path(source), SHIPPED / f"{source}.toml"
    if not path.exists():
        if not shipped.is_file():
            names = ", ".join(sorted(found.stem for found in SHIPPED.glob("*.toml")))
            raise SpecificationError(f"{path} does not exist. Shipped specifications: {names}")
        path = shipped
    try:
        text = path.read_text(encoding="utf-8")
        document = {"audits": {}} | tomllib.loads(text)
        document["model"] = _with_source(document.get("model", {}), path)
        if isinstance(tasks := document.get("tasks"), list):
            document["tasks"] = [
                task | {"model": _with_source(task["model"], path)}
                if isinstance(task, dict) and "model" in task
                else task
                for task in tasks
            ]
        return CompetitionSpec.model_validate(document)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise SpecificationError(_message(path, text, error.errors())) from error


def _with_source(model: Any, path: Path) -> Any:
    """The table `[model]` of the file at `path` with the text of its module, or of an installed architecture."""
    if not isinstance(model, dict):
        return model
    module, architecture = model.get("module"), model.get("architecture")
    if isinstance(module, str) and module:
        if architecture is not None or "source" in model:
            raise SpecificationError(f"{path}: model: leave out architecture and source, which module replaces")
        return model | {"source": _read_source(module, path)}
    entry = installed(ARCHITECTURES).get(architecture) if isinstance(architecture, str) else None
    if entry is None or architecture in BUILT_IN or "source" in model:
        return model
    try:
        return model | {"source": module_source(entry)}
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"{path}: model.architecture: cannot read {entry.value}: {error}") from error


def _read_source(module: str, path: Path) -> str:
    beside = path.parent / module
    if Path(module).name != module:
        raise SpecificationError(f"{path}: model.module: {module!r} must be a file beside the specification")
    try:
        return beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(f"{path}: model.module: cannot read {beside}: {error}") from error


def _message(path: Path, text: str, faults: Sequence[ErrorDetails]) -> str:
    lines = _lines(text)
    mistakes: list[tuple[int, str]] = []
    seen: set[tuple[tuple[str, ...], str]] = set()
    for fault in faults:
        place, what = mistake(fault)
        within = place[2:] if place[:1] == ("tasks",) else place
        if (within, what) in seen:  # of the top, which tasks have from there
            continue
        seen.add((within, what))
        line = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), None)
        mistakes.append(
            (line or 0, f"{path}{f':{line}' if line else ''}: {'.'.join(place) or 'specification'}: {what}")
        )
    if len(mistakes) == 1:
        return mistakes[0][1]
    return "\n".join([f"{path} has {len(mistakes)} mistakes", *(message for _, message in sorted(mistakes))])


def mistake(fault: ErrorDetails) -> tuple[tuple[str, ...], str]:
    """Where it is, as the author of a file sees it (`data.source`, not the union behind it), and what to write."""
    place = [str(part) for part in fault["loc"]]
    if fault["type"].startswith("union_tag"):
        return (*place, "source"), f"name one of {', '.join(SOURCES)}"
    at = 2 if place[:1] == ["tasks"] else 0
    source = (
        place.pop(at + 1) if place[at : at + 1] == ["data"] and {*place[at + 1 : at + 2]} & SOURCES.keys() else None
    )
    if fault["type"] == "extra_forbidden":
        known = _keys(place[:-1], source)
        near = difflib.get_close_matches(place[-1], known, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        return tuple(place), f"there is no such key here; {guess}known are {', '.join(known)}"
    if fault["type"] == "missing":
        return tuple(place), "is missing and has no default"
    message = fault["msg"].removeprefix("Value error, ")
    given = repr(fault["input"]) if isinstance(fault["input"], str | int | float) else ""
    if len(given) > SHOWN_CHARS:
        given = f"{given[:SHOWN_CHARS]}…"
    return tuple(place), f"{message}, not {given}" if given else message


def _keys(table: Sequence[str], source: str | None) -> list[str]:
    """What may stand in a table; of `[data]` it depends on its source."""
    if source is not None:
        return sorted(SOURCES[source].model_fields)
    model: Any = CompetitionSpec
    if table[:1] == ["tasks"]:
        model, table = TaskSpec, table[2:]
    for name in table:
        field = model.model_fields.get(name)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return sorted(model.model_fields)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, on which each table and key begins. The text is valid TOML, which tomllib has no lines of."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    task = -1
    is_inside = False  # of a text over several lines
    for number, line in enumerate(text.splitlines(), 1):
        if not is_inside:
            if header := _TABLE.match(line):
                table = tuple(part.strip() for part in header[1].split("."))
                task += table == ("tasks",)
                if table[0] == "tasks":
                    table = ("tasks", str(task), *table[1:])
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                found.setdefault((*table, *key[1].split(".")), number)
        is_inside ^= len(_LONG_QUOTES.findall(line)) % 2 == 1
    return found
