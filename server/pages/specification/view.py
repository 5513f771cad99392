"""The form of a specification: its keys as fields, or as values with the reason why they stay."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.evaluator.contract.limits import Unit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.specification_file import mistake
from lethe.evaluator.contract.specification_keys import Key, all_keys
from lethe.server.competitions import service as competitions
from lethe.server.hosting import editing
from lethe.server.models import Competition
from lethe.server.pages.card import Card, card

HEADINGS = {
    "": "Texts and rules",
    "data": "Names of the classes",
    "phases": "Dates, in UTC",
    "measures": "Measures",
    "board": "Boards",
    "links": "Links",
    "limits": "Limits",
    "leaks": "Disclosure",
    "quotas": "Quotas",
    "terms": "Terms",
    "dependencies": "Packages",
}
"""Of the tables that have keys which may change, at least until something is uploaded."""
SEED = "seed"
NOT_SHOWN = "not shown: whoever knows it knows what is hidden"


@dataclass(frozen=True)
class FormField:
    """A key that may change. `kind` is text, area, lines, number, time or choice; `value` what the field contains."""

    path: str
    label: str
    about: str
    kind: str
    value: str
    choices: tuple[str, ...]
    is_required: bool
    problem: str


@dataclass(frozen=True)
class FixedKey:
    """A key that stays, with its value and the reason."""

    path: str
    value: str
    reason: str


@dataclass(frozen=True)
class FormSection:
    """A table of the specification. `problem` is about several of its keys together."""

    name: str
    heading: str
    fields: tuple[FormField, ...]
    fixed: tuple[FixedKey, ...]
    problem: str


@dataclass(frozen=True)
class EditPage:
    """The form, and what stays as it is."""

    card: Card
    notice: str
    problem: str
    version: str
    sections: tuple[FormSection, ...]
    fixed: tuple[FixedKey, ...]


def edit_page(
    session: Session,
    competition: Competition,
    *,
    notice: str = "",
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> EditPage:
    """Return the form: with what was `typed` before, and the `problems` of it by key or table."""
    shown = editing.current(competition)
    document, keys = shown.model_dump(mode="json"), keys_of(shown)
    reasons = editing.reasons_to_stay(session, competition, (key.path for key in keys))
    problems = dict(problems or {})
    sections = []
    fixed: list[FixedKey] = []
    for name, group in groupby(keys, key=lambda key: key.section):
        found = list(group)
        stays = [_fixed(key, _value(document, key), reasons[key.path]) for key in found if key.path in reasons]
        fields = [_field(key, document, typed, problems) for key in found if key.path not in reasons]
        if fields:
            heading = HEADINGS.get(name, name.capitalize())
            sections.append(FormSection(name, heading, tuple(fields), tuple(stays), problems.pop(name, "")))
        else:
            fixed += stays
    return EditPage(
        card=card(competitions.row(session, competition)),
        notice=notice,
        problem=" ".join([*([problem] if problem else []), *(f"{key}: {text}." for key, text in problems.items())]),
        version=editing.version(shown),
        sections=tuple(sections),
        fixed=tuple(fixed),
    )


def keys_of(shown: CompetitionSpec) -> list[Key]:
    """Return the keys of a specification with this source of photographs."""
    return [key for key in all_keys() if not key.sources or shown.data.source in key.sources]


def wanted(shown: CompetitionSpec, typed: Mapping[str, str]) -> CompetitionSpec:
    """Return `shown` with what was `typed` in fields that contain something else now; raises ValidationError.

    What the form does not have, and what nobody has touched, is as it was, bit for bit.
    """
    document = shown.model_dump(mode="json")
    for key in keys_of(shown):
        text = _lines(typed[key.path]) if key.path in typed else None
        if text is not None and text != _lines(_text(key, _value(document, key))):
            table = document[key.section] if key.section else document
            table[key.name] = _parsed(key, text)
    return CompetitionSpec.model_validate(document)


def stored_beside(shown: CompetitionSpec, typed: Mapping[str, str]) -> dict[str, str]:
    """Return, by key, what is stored where something else was `typed`: the work of another host, not to be undone."""
    document = shown.model_dump(mode="json")
    stored = {key.path: _text(key, _value(document, key)) for key in keys_of(shown)}
    return {
        path: f"Stored now: {text or 'nothing'}"
        for path, text in stored.items()
        if path in typed and _lines(typed[path]) != _lines(text)
    }


def problems_of(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with the values of a form, by key, or by table where several keys do not fit together."""
    found: dict[str, str] = {}
    for fault in error.errors():
        place, text = mistake(fault)
        key = ".".join(part for part in place if not part.isdigit())
        found.setdefault(key, text)
    return found


def _field(key: Key, document: dict[str, Any], typed: Mapping[str, str] | None, problems: dict[str, str]) -> FormField:
    shown = _text(key, _value(document, key))
    value = shown if typed is None else typed.get(key.path, shown)
    return FormField(
        path=key.path,
        label=key.name.replace("_", " ").capitalize(),
        about=_about(key),
        kind="text" if _kind(key) == "time" and not _is_time(value) else _kind(key),
        value=value,
        choices=_choices(key),
        is_required=key.is_required,
        problem=problems.pop(key.path, ""),
    )


def _about(key: Key) -> str:
    """Return what the key means, with its range and what an empty field means."""
    facts = ["one a line" if key.type == "list" else "", "" if _choices(key) else key.values]
    if key.default is None and not key.is_required:
        facts.append(f"empty: {key.unset or 'none'}")
    sentences = (key.about, "; ".join(filter(None, facts)))
    return " ".join(f"{one[0].upper()}{one[1:].rstrip('.')}." for one in sentences if one)


def _kind(key: Key) -> str:
    if _choices(key):
        return "choice"
    kinds = {"time with offset": "time", "whole number": "number", "number": "number", "list": "lines"}
    return kinds.get(key.type, "text" if key.is_required else "area")


def _is_time(text: str) -> bool:
    """Whether a browser's field for times can contain the text."""
    try:
        return not text or datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        return False


def _choices(key: Key) -> tuple[str, ...]:
    """Return all values of a key that has a few."""
    if key.type == "true or false":
        return "true", "false"
    return tuple(json.loads(f"[{key.values}]")) if key.values.startswith('"') else ()


def _fixed(key: Key, value: Any, reason: str) -> FixedKey:
    if key.path == "tasks":  # whose tables have seeds
        value = [task["name"] for task in value]
    text = NOT_SHOWN if key.name == SEED else _text(key, value).replace("\n", ", ")
    unit = f" {key.unit}" if key.unit in {Unit.BYTES, Unit.SECONDS} and text else ""
    return FixedKey(key.path, f"{text}{unit}" or "none", reason)


def _value(document: dict[str, Any], key: Key) -> Any:
    return (document[key.section] if key.section else document)[key.name]


def _text(key: Key, value: Any) -> str:
    """Return a value as its field contains it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(str(one) for one in value)
    if key.type == "time with offset":
        return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return value if isinstance(value, str) else json.dumps(value)


def _parsed(key: Key, text: str) -> Any:
    """Return what a field contains as a value that the specification reads."""
    kind = _kind(key)
    if kind == "lines":
        return [line.strip() for line in text.split("\n") if line.strip()]
    if kind in {"number", "time"}:
        plain = text.strip()
        return None if not plain else f"{plain}Z" if kind == "time" else plain
    return text


def _lines(text: str) -> str:
    """Return a text with the line ends that files have: browsers send others."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
