"""Prints docs/reference.md: every command with its options, every setting, limit and call, from the code.

`make reference` writes the file, and a test compares the two. Anything without a description is an error.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from lethe.evaluator.contract import specification_keys
from lethe.evaluator.contract.data_sources import SOURCES
from lethe.evaluator.contract.limits import limits_of
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec, QuotasSpec
from lethe.evaluator.settings import IndexSettings, WorkerSettings
from lethe.server.app import create_app
from lethe.server.cli import app as command_line
from lethe.server.client.login import ClientSettings
from lethe.server.pages.formatting import limit_text
from lethe.server.settings import Settings

HEAD = """# Reference

Written by `make reference` from the code; a test keeps it up to date. Errors of the API: [api.md](api.md#errors); of
submissions: [participants.md](participants.md#errors).
"""
COMMANDS = """## Commands
Every command has `--help`; `lethe --install-completion` adds them to your shell. Commands that print something
have `--json`, which prints JSON for programs. Those of hosts and operators have `--home` (`LETHE_HOME`), the folder
with the embedded database, broker and artifacts. Exit codes: 0 ok, 1 failed, 2 wrong usage, 78 a worker
that the server does not accept, 130 interrupted: a command that takes long says at Ctrl-C how to go on.
`lethe --version` prints the version.

**Tables.** On a terminal columns are aligned, and those that matter least are left out where it is too narrow; names
may be cut, numbers and ids never. Into a pipe or a file a line has all columns, separated by tabs, below a line with
their titles, and nothing is cut: `lethe leaderboard our-people | cut -f1,2`. Where an encoding lacks a character,
another stands for it. With `NO_COLOR` nothing is coloured.

**Ids.** Tables show the first 8 digits of a submission's id. Commands, calls and the host's search take these or more
in place of the id, as long as they name one submission of those that you may see.
"""
EVERYWHERE = {"home", "as_json"}
SETTINGS = (
    (
        "Settings of the server",
        "`lethe up`, `serve`, `control`, `migrate` and the host's commands read these.",
        Settings,
    ),
    ("Settings of a worker", "`lethe worker` reads these, and `lethe check` those of the sandbox.", WorkerSettings),
    ("Settings of package indexes", "Those of uv, for the worker that installs packages.", IndexSettings),
    ("Settings of the client", "The participant's commands and `lethe.server.client` read these.", ClientSettings),
)
LIMITS = """## Limits of a competition
A specification sets these. The competition page, `lethe competitions SLUG` and `GET /api/v1/competitions/{slug}` show
those that participants see. [sandbox/README.md](../sandbox/README.md) says how the limits of a run are enforced.

| field | limit | unit | default | when exceeded | participants see it |
|---|---|---|---|---|---|"""
SPECIFICATION = """## Keys of a specification
A host's TOML file has these. `lethe admin competition init` writes one with all of them, and `lethe admin competition
spec KEY` prints one in full. *Seen by* is about the value as it is written: hosts see all of them, and what else can be
counted or timed is in [leaks.md](leaks.md).
"""
KEYS = "| key | type | unit | values | default | what it changes | seen by |\n|---|---|---|---|---|---|---|"
LIMITED = {"limits": LimitsSpec, "dependencies": DependenciesSpec, "quotas": QuotasSpec}
REFUSED = "the upload is refused"


def commands() -> Iterator[str]:
    yield COMMANDS
    yield from _command(typer.main.get_command(command_line), "lethe")


def _command(command: Any, path: str) -> Iterator[str]:
    """`command` may be Click's or Typer's own copy of it, so its attributes tell groups from commands."""
    if hasattr(command, "commands"):
        for name, inner in sorted(command.commands.items()):
            yield from _command(inner, f"{path} {name}")
        return
    parameters = [one for one in command.params if one.name != "help"]
    arguments = [_argument(one) for one in parameters if one.param_type_name == "argument"]
    yield f"### {' '.join([path, *arguments])}\n{_required(command.help, path)}\n"
    lines = [
        f"- `{_name(one)}`: {_required(one.help, f'{path} {one.name}')}"
        for one in parameters
        if one.name not in EVERYWHERE
    ]
    if lines:
        yield "\n".join(lines) + "\n"


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper().strip("[]{}")
    return name if argument.required else f"[{name}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _argument(parameter).strip("[]")
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def settings() -> Iterator[str]:
    for title, text, kind in SETTINGS:
        yield (
            f"## {title}\n{text}\n\n| variable | what it says | default |\n|---|---|---|\n"
            + "\n".join(_rows(kind))
            + "\n"
        )


def _rows(kind: type[BaseSettings]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        variable = f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        default = field.default
        if default is PydanticUndefined:
            shown = "must be set" if field.default_factory is None else ""
        else:
            shown = "" if default is None or not str(default).strip("*") else f"`{getattr(default, 'value', default)}`"
        yield f"| `{variable}` | {_required(field.description, variable)} | {shown} |"


def keys() -> Iterator[str]:
    yield SPECIFICATION
    found = specification_keys.all_keys()
    for section, about in specification_keys.sections().items():
        yield f"### {f'`[{section}]`' if section else 'Before the first table'}\n{_required(about, section)}\n"
        if section == specification_keys.DATA:
            yield "\n".join(f"- `{one}`: {specification_keys.source_text(one)}" for one in SOURCES) + "\n"
        yield "\n".join([KEYS, *(_key(one) for one in found if one.section == section)]) + "\n"


def _key(key: specification_keys.Key) -> str:
    sources = "" if len(key.sources) in {0, len(SOURCES)} else f" ({', '.join(key.sources)})"
    default = f"`{key.default}`" if key.default and not key.is_required else key.default_text
    values = f"`{key.values}`" if set(key.values) & set('"^') else key.values
    cells = (key.type, key.unit or "", values, default, _required(key.about, key.path), key.seen_by)
    return f"| `{key.path}`{sources} | {' | '.join(cells)} |"


def limits() -> Iterator[str]:
    yield LIMITS
    for table, kind in LIMITED.items():
        for name, limit in limits_of(kind).items():
            default = kind.model_fields[name].default
            yield (
                f"| `{table}.{name}` | {limit.term} | {limit.unit} | {limit_text(limit, default)} | "
                f"{limit.consequence or REFUSED} | "
                f"{f'no: {limit.hidden}' if limit.hidden else 'yes'} |"
            )
    yield ""


def calls() -> Iterator[str]:
    yield "## Calls of the API\nFields and answers: `/docs` on every server.\n\n| call | what it does |\n|---|---|"
    with tempfile.TemporaryDirectory() as home:
        paths = create_app(Settings(home=Path(home))).openapi()["paths"]
    for path, methods in sorted(paths.items()):
        for method, operation in sorted(methods.items()):
            what = _required(operation.get("description") or operation.get("summary"), path)
            yield f"| `{method.upper()} {path}` | {what} |"


def _required(text: str | None, place: str) -> str:
    """`text` in one line."""
    if not text or not text.strip():
        sys.exit(f"{place} has no description")
    return " ".join(text.split()).replace("|", "\\|").replace("\x0c", "")


if __name__ == "__main__":
    sys.stdout.write("\n".join([HEAD, *commands(), *settings(), *keys(), *limits(), *calls()]) + "\n")
