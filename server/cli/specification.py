"""`lethe admin competition spec` and `init`: what a specification may say, and a file to begin with."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lethe.server.cli.options import Json, say
from lethe.server.errors import ConfigurationError

if TYPE_CHECKING:
    from lethe.evaluator.contract.specification_keys import Key

WIDTH = 80
NAME, DEFAULT = 24, 16
"""Characters of a column."""
WITHOUT_FILES = {"synthetic-faces", "digits"}
"""Sources that need no --data."""
SCHEMA = ".lethe-schema.json"


def spec(
    key: Annotated[str | None, typer.Argument(help="A key such as training.epochs, or a table such as limits")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of a specification, for editors")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the keys of a specification with their defaults, or print all that is known of a key or a table."""
    from lethe.evaluator.contract import specification_keys as keys

    if schema:
        typer.echo(json.dumps(keys.json_schema(), indent=1, ensure_ascii=False))
        return
    found = list(keys.all_keys()) if key is None else keys.find(key)
    if not found:
        near = " or ".join(keys.near(key or ""))
        hint = f"did you mean {near}?" if near else "lethe admin competition spec lists all of them"
        raise typer.BadParameter(f"a specification has no key or table called {key!r}: {hint}", param_hint="KEY")
    if as_json:
        typer.echo(json.dumps([asdict(one) | {"key": one.path} for one in found]))
        return
    typer.echo("\n".join(_table(found) if key is None else _entries(found, key)))


def init(
    file: Annotated[Path, typer.Argument(help="A new file")] = Path("competition.toml"),
    source: Annotated[str, typer.Option("--source", help="Where the photographs come from")] = "image-folder",
    as_json: Json = False,
) -> None:
    """Write a specification with every key, its default and what it changes, ready to edit.

    Editors that know Taplo, such as VS Code with Even Better TOML, complete and check it by the JSON schema beside it.
    """
    from lethe.evaluator.contract.data_sources import SOURCES
    from lethe.evaluator.contract.specification_keys import json_schema
    from lethe.evaluator.contract.specification_template import template

    if source not in SOURCES:
        raise typer.BadParameter(f"{source!r} is none of {', '.join(SOURCES)}", param_hint="--source")
    if file.exists():
        raise ConfigurationError(f"{file} already exists: choose another name.")
    schema = file.with_name(SCHEMA)
    file.write_text(template(source, schema=f"./{SCHEMA}"), encoding="utf-8")
    schema.write_text(json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    files = "" if source in WITHOUT_FILES else " --data FOLDER"
    command = f"lethe admin competition create {file}{files}"
    text = f"{file} is written, and its schema {schema}. Next: edit it, then {command}"
    say({"file": str(file), "schema": str(schema), "source": source}, text, as_json)


def _table(found: "list[Key]") -> Iterator[str]:
    """Yield a line of at most 80 characters for each key, under its table."""
    section = None
    for key in found:
        if key.section != section:
            section = key.section
            yield f"\n[{section}]" if section else "before the first table"
        default = key.default_text
        shown = default if len(default) < DEFAULT else f"{default[: DEFAULT - 2]}…"
        yield _cut(f"  {key.name:<{NAME}}{shown:<{DEFAULT}}{key.about}")
    yield "\nAll of one: lethe admin competition spec KEY"


def _cut(line: str) -> str:
    return line.rstrip() if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _entries(found: "list[Key]", name: str) -> Iterator[str]:
    """Yield everything that is known of the keys, after what their table is about if `name` is that of a table."""
    from lethe.evaluator.contract.specification_keys import sections

    if name in sections():
        yield from [f"[{name}]", *textwrap.wrap(sections()[name], WIDTH), ""]
    for number, key in enumerate(found):
        if number:
            yield ""
        yield key.path
        yield from _indented(key.about)
        facts = {
            "of source": ", ".join(key.sources),
            "type": key.type,
            "unit": key.unit or "",
            "values": key.values,
            "default": key.default_text,
            "seen by": key.seen_by,
        }
        for term, value in facts.items():
            if value:
                yield from _indented(value, f"{term:<11}")


def _indented(text: str, term: str = "") -> list[str]:
    indent = f"  {' ' * len(term)}"
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {term}", subsequent_indent=indent, break_on_hyphens=False)
