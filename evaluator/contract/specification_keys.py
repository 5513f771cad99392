"""The keys of a specification, as its models say them: for the reference, the command line, and files to begin with."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from inspect import getdoc
from typing import Any, cast

from pydantic import BaseModel

from lethe.evaluator.contract.data_sources import SOURCES
from lethe.evaluator.contract.limits import Limit, Unit
from lethe.evaluator.contract.seen_by import SeenBy
from lethe.evaluator.contract.specification import CompetitionSpec

TOP, DATA = "", "data"
"""The sections of the keys that stand before the first table, and of those that depend on `data.source`."""
DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that editors of TOML read."""
TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}
TYPES |= {"array": "list", "object": "table"}
BOUNDS = {
    "minimum": "{:,} or more",
    "exclusiveMinimum": "over {:,}",
    "maximum": "{:,} or less",
    "exclusiveMaximum": "under {:,}",
    "minLength": "not empty",
    "maxLength": "{:,} characters or less",
    "maxItems": "{:,} values or less",
    "pattern": "matches {}",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key. `default` and `example` are TOML; None: there is none."""

    section: str
    name: str
    sources: tuple[str, ...] = ()
    """The values of `data.source` that have this key; empty outside of `[data]`."""
    about: str
    type: str
    unit: Unit | None
    values: str
    """The range, or all possible values; empty: any of the type."""
    is_required: bool
    default: str | None
    unset: str
    """What it means that a limit has no value; empty for other keys."""
    example: str | None
    seen_by: SeenBy

    @property
    def path(self) -> str:
        """The name with its table, as messages have it: `training.epochs`."""
        return f"{self.section}.{self.name}".removeprefix(".")

    @property
    def default_text(self) -> str:
        """The default, or what its absence means."""
        if self.is_required:
            return "required"
        return self.default or self.unset or "none"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a specification, for editors."""
    return {"$schema": DRAFT, **CompetitionSpec.model_json_schema()}


def sections() -> dict[str, str]:
    """Return what each table is about, by name, in the order of a file: keys without a table come first."""
    tables = {name: _text(kind) for name, kind in _tables().items()}
    return {
        TOP: "What the competition is called, and rules that have no table of their own.",
        DATA: "Where the hidden photographs come from.",
        **tables,
    }


def source_text(source: str) -> str:
    """Return what a source of photographs is."""
    return _text(SOURCES[source])


@cache
def all_keys() -> tuple[Key, ...]:
    """Return all keys in the order of `sections`; one that several sources have alike is there once."""
    tables = _tables()
    top = [name for name in CompetitionSpec.model_fields if name != DATA and name not in tables]
    return (
        *(_key(CompetitionSpec, TOP, name) for name in top),
        *_data_keys(),
        *(_key(kind, table, name) for table, kind in tables.items() for name in kind.model_fields),
    )


def find(name: str) -> list[Key]:
    """Return the keys of a section, or those with this path or this name; none if nothing is called so."""
    exact = [one for one in all_keys() if one.path == name]
    return exact or [one for one in all_keys() if name in {one.section, one.name}]


def near(name: str) -> list[str]:
    """Return up to three keys or sections with names like `name`."""
    known = sorted({*sections(), *(word for one in all_keys() for word in (one.path, one.name))} - {TOP})
    return difflib.get_close_matches(name, known, n=3)


def toml_text(value: Any) -> str:
    """Return a text, number, boolean, list or table as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(toml_text(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {toml_text(one)}' for name, one in value.items())} }}" if value else "{}"
    return json.dumps(value, ensure_ascii=False)


def _tables() -> dict[str, type[BaseModel]]:
    """Return the models of all tables but `[data]`, which has one for each source."""
    kinds = {name: field.annotation for name, field in CompetitionSpec.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def _data_keys() -> Iterator[Key]:
    """Yield the keys of `[data]`: those of one name and meaning once, with all their sources."""
    names = tuple(SOURCES)
    source = _key(SOURCES["image-folder"], DATA, "source")  # of another one it has a default
    yield replace(source, sources=names, values=", ".join(map(toml_text, names)))
    merged: dict[Key, list[str]] = {}
    for name, kind in SOURCES.items():
        for key in (_key(kind, DATA, field) for field in kind.model_fields if field != "source"):
            merged.setdefault(key, []).append(name)
    for key, having in merged.items():
        yield replace(key, sources=tuple(having))


def _key(kind: type[BaseModel], section: str, name: str) -> Key:
    field, schema = kind.model_fields[name], kind.model_json_schema()
    shape = _shape(schema["properties"][name], schema)
    limit = next((one for one in field.metadata if isinstance(one, Limit)), None)
    default = None if shape.get("default") is None else toml_text(shape["default"])
    examples = [toml_text(one) for one in shape.get("examples", ())]
    is_time = shape.get("format") == "date-time"
    return Key(
        section=section,
        name=name,
        about=shape.get("description", ""),
        type="time with offset" if is_time else TYPES.get(shape.get("type", ""), "one of the values"),
        unit=limit.unit if limit else _marker(field.metadata, Unit),
        values=_values(shape),
        is_required=field.is_required(),
        default=default,
        unset=limit.unset if limit else "",
        example=(examples[0].strip('"') if is_time else examples[0]) if examples else default,
        seen_by=_seen_by(limit) if limit else cast("SeenBy", _marker(field.metadata, SeenBy)),
    )


def _shape(shape: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON schema says of a value: with what it refers to, and without null as another possibility."""
    if "$ref" in shape:
        shape = {**schema["$defs"][shape["$ref"].rpartition("/")[2]], **shape}
    inner: dict[str, Any] = next((one for one in shape.get("anyOf", ()) if one.get("type") != "null"), {})
    return {**inner, **shape}


def _values(shape: dict[str, Any]) -> str:
    """Return all possible values, or the bounds of a range."""
    if "const" in shape or "enum" in shape:
        return ", ".join(toml_text(one) for one in shape.get("enum", [shape.get("const")]))
    if "minimum" in shape and "maximum" in shape:
        return f"{shape['minimum']:,} to {shape['maximum']:,}"
    return ", ".join(text.format(shape[bound]) for bound, text in BOUNDS.items() if bound in shape)


def _seen_by(limit: Limit) -> SeenBy:
    return SeenBy.HOSTS if limit.hidden else SeenBy.EVERYBODY


def _marker(metadata: list[Any], kind: type[Any]) -> Any:
    return next((one for one in metadata if isinstance(one, kind)), None)


def _text(kind: type[BaseModel]) -> str:
    return " ".join((getdoc(kind) or "").split())
