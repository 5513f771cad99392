"""What programs and operators rely on: calls, commands, settings, the schema of the database, metrics."""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from lethe.server.app import create_app
from lethe.server.cli import app
from lethe.server.monitoring import prometheus
from lethe.server.settings import Settings
from tests.record.home import database, lethe
from tests.record.site import VIEWERS, Sessions, open_site

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "evaluator", "sandbox", "attacks")


def calls(home: Path) -> dict[str, str]:
    """The document of every public call, one like it of those that only workers make, and all addresses."""
    site = create_app(Settings(home=home))
    routes = list(iter_route_contexts(site.routes))
    addresses = {f"{method} {one.path}" for one in routes for method in one.methods or ("mounted:",)}
    hidden = [one.original_route for one in routes if str(one.path).startswith("/internal/")]
    with _shown(hidden):
        workers = get_openapi(title="Calls of workers", version="", routes=hidden)
    return {
        "contracts/openapi.json": _document(site.openapi()),
        "contracts/workers.json": _document(workers),
        "contracts/addresses.txt": "\n".join(sorted(addresses, key=lambda one: (one.split()[1], one))),
    }


@contextmanager
def _shown(routes: list[Any]) -> Iterator[None]:
    """Routes are shared by all applications of the process, so they are hidden again."""
    for route in routes:
        route.include_in_schema = True
    yield
    for route in routes:
        route.include_in_schema = False


def _document(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)


def commands() -> dict[str, str]:
    """Every command with what `--help` says of it, from the commands themselves: terminals differ in width."""
    return {"contracts/commands.txt": "\n".join(_command(typer.main.get_command(app), "lethe"))}


def _command(command: Any, name: str) -> Iterator[str]:
    """`command` is Click's, perhaps Typer's own copy of it, so it is known by what it has."""
    yield name
    marks = [word for word in ("hidden", "deprecated", "no_args_is_help") if getattr(command, word, False)]
    panel = getattr(command, "rich_help_panel", None)
    marks += [f"panel {panel}"] if isinstance(panel, str) else []
    yield from (f"    ({mark})" for mark in marks)
    yield from (f"    {line}".rstrip() for line in inspect.cleandoc(command.help or "").splitlines())
    children = getattr(command, "commands", {})
    if not children:
        given = inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters
        for parameter in command.params:
            yield from _parameter(parameter, given[parameter.name].annotation if parameter.name in given else bool)
    for child, found in children.items():
        yield from _command(found, f"{name} {child}")


def _parameter(parameter: Any, annotation: Any) -> Iterator[str]:
    facts = [parameter.param_type_name, _kind(annotation)]
    for bound in ("min", "max", "metavar", "envvar", "default"):
        value = getattr(parameter, bound, None)
        facts += [f"{bound} {value}"] if value is not None else []
    facts += [word for word in ("required", "multiple", "is_flag", "hidden") if getattr(parameter, word, False)]
    facts += [f"{parameter.nargs} values"] if parameter.nargs != 1 else []
    yield f"    {' '.join([*parameter.opts, *parameter.secondary_opts])}: {', '.join(facts)}"
    if text := getattr(parameter, "help", None):
        yield f"        {text}"


def _kind(annotation: Any) -> str:
    """A type by its name or its values, wherever it is defined."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(_kind(one) for one in get_args(annotation))
    if get_args(annotation):
        return f"{annotation.__origin__.__name__} of {', '.join(_kind(one) for one in get_args(annotation))}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(one.value) for one in annotation)
    return "nothing" if annotation is type(None) else str(getattr(annotation, "__name__", annotation))


def settings() -> dict[str, str]:
    """Every variable that some process reads, whichever class asks for it: default and description."""
    for path in _settings_files():
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: dict[str, set[str]] = {}
    for kind in _below(BaseSettings):
        if kind.__module__.partition(".")[0] in PACKAGES:
            for name, field in kind.model_fields.items():
                variable = field.validation_alias or f"{kind.model_config.get('env_prefix', '')}{name}"
                found.setdefault(str(variable).upper(), set()).add(f"{_default(field)}\n    {field.description}")
    lines = [f"{variable} = {text}" for variable, texts in sorted(found.items()) for text in sorted(texts)]
    return {"contracts/settings.txt": "\n".join(lines)}


def _settings_files() -> list[Path]:
    """Only files that may define settings: importing all modules would import torch."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [path for path in paths if re.search(r"\b(Base|Lethe)Settings\b", path.read_text(encoding="utf-8"))]


def _below(kind: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "(what this machine says)"
    if field.default is PydanticUndefined:
        return "(required)"
    shown = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return f"{shown!s}" if shown not in {None, ""} else "(nothing)"


def schema(scratch: Path) -> dict[str, str]:
    """A freshly migrated SQLite database."""
    lethe(scratch, "migrate")
    return {"contracts/schema.sql": "\n".join(schema_lines(scratch))}


def schema_lines(home: Path) -> list[str]:
    """The revision, tables with their columns and constraints, and indexes."""
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"
    with database(home) as connection:
        found = [" ".join(sql.split()) for (sql,) in connection.execute(query)]
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return [f"-- revision {revision}", *(line for sql in found for line in _statement(sql))]


def _statement(sql: str) -> Iterator[str]:
    if not sql.startswith("CREATE TABLE"):
        yield f"{sql};"
        return
    head, _, body = sql.rpartition(")")[0].partition("(")
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", body)]
    yield f"{head.strip().replace(chr(34), '')} ("
    yield from (f"    {part}" for part in parts if not part.startswith("CONSTRAINT"))
    # Alembic copies a table's constraints from a set, so their order differs from run to run.
    yield from (f"    {part}" for part in sorted(parts) if part.startswith("CONSTRAINT"))
    yield ");"


def metrics(home: Path, sessions: Sessions) -> dict[str, str]:
    """Names, types, texts, labels and what is counted; of times and of this process's latencies no values."""
    lines = []
    prometheus.PROBE_LIMIT_S = 60.0  # of a busy machine
    with database(home) as connection:  # a finished home has no open work, and so no labels of it
        connection.execute("UPDATE submissions SET state = 'checking' WHERE filename = 'slow.py'")
        connection.execute(
            "UPDATE work_items SET state = 'leased' "
            "WHERE submission_id IN (SELECT id FROM submissions WHERE filename = 'slow.py')"
        )
    with open_site(home, sessions) as site:
        for who in VIEWERS:
            site.ask(who, "GET", "/")
        text = site.ask("stranger", "GET", "/metrics").text
    for family in text_string_to_metric_families(text.partition("\n")[2] + "\n"):
        lines.append(f"{family.name}: {family.type}: {family.documentation}")
        lines += sorted({f"    {_sample(sample)}" for sample in family.samples})
    return {"contracts/metrics.txt": "\n".join(lines)}


def _sample(sample: Any) -> str:
    is_of_process = sample.name.startswith(("lethe_request_seconds", "lethe_info"))
    labels = dict.fromkeys(sample.labels, "…") if is_of_process else sample.labels
    value = "…" if re.search("seconds|bytes|lethe_connections$", sample.name) else f"{sample.value:g}"
    return f"{sample.name} {json.dumps(labels, ensure_ascii=False, sort_keys=True)} {value}"
