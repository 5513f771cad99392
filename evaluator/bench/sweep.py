"""The sweep file, which names methods, constants and a competition, and the sources that result from it."""

import ast
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.data_sources import Seed
from lethe.evaluator.errors import EvaluatorError

Constant = bool | int | float | str


class SweepError(EvaluatorError, ValueError):
    """A sweep file is wrong, or names a constant that a method does not have; the message says which."""


class MethodSpec(Contract):
    """One file, and values for constants at its top; a list of values multiplies the method."""

    file: str = Field(description="Name of a shipped baseline, or a path relative to the sweep file")
    name: str = Field(default="", description="What tables call it; empty: the file's name and the constants")
    constants: dict[str, Constant | list[Constant]] = Field(default_factory=dict)


class Sweep(Contract):
    """What `lethe bench` compares."""

    title: str = Field(default="", description="Title of the results, and name of the experiment in MLflow")
    competition: str = Field(default="demo", description="A shipped specification's name, or a path beside this file")
    task: str = Field(default="", description="Which of the competition's tasks, where it has some")
    runs: Annotated[int, Field(ge=8)] | None = Field(default=None, description="Runs a method; the specification's")
    seed: Seed = Field(default=0, description="Of data, networks and runs; the same seed gives the same results")
    reference: str | None = Field(
        default=None, description="Name of the method that the others are compared with; by default finetune, if there"
    )
    methods: Annotated[tuple[MethodSpec, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Method:
    """One row of the table: a source with its constants set, ready to be uploaded as it is."""

    name: str
    constants: dict[str, Constant]
    source: bytes


def load_sweep(source: Path | str | Mapping[str, Any]) -> Sweep:
    """The validated sweep in a TOML file, or with this content; raises SweepError naming every mistake."""
    where = "sweep" if isinstance(source, Mapping) else str(source)
    try:
        document = source if isinstance(source, Mapping) else tomllib.loads(Path(source).read_text(encoding="utf-8"))
        return Sweep.model_validate(document)
    except (OSError, UnicodeDecodeError) as error:
        raise SweepError(f"cannot read {where}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SweepError(f"{where} is not valid TOML: {error}") from error
    except ValidationError as error:
        mistakes = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise SweepError(f"{where}: {'; '.join(mistakes)}") from error


def methods_of(sweep: Sweep, folder: Path) -> list[Method]:
    """Every combination of file and constants, in the order of the sweep; raises SweepError."""
    found: list[Method] = []
    for spec in sweep.methods:
        path = _file_of(spec.file, folder)
        try:
            source = path.read_bytes()
        except OSError as error:
            raise SweepError(f"cannot read {path}: {error.strerror}") from error
        names = list(spec.constants)
        grids = [value if isinstance(value, list) else [value] for value in spec.constants.values()]
        for values in itertools.product(*grids):
            constants = dict(zip(names, values, strict=True))
            found.append(Method(_name_of(spec, path, constants), constants, with_constants(source, constants, path)))
    twice = {method.name for method in found if sum(other.name == method.name for other in found) > 1}
    if twice:
        raise SweepError(f"two methods are called {sorted(twice)[0]!r}: give one of them another name")
    return found


def with_constants(source: bytes, constants: dict[str, Constant], path: Path) -> bytes:
    """`source` with these values for constants that it assigns once at module level; raises SweepError."""
    text = source.decode("utf-8-sig")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise SweepError(f"{path} is no Python source: {error}") from error
    lines = text.splitlines(keepends=True)
    for name, value in constants.items():
        places = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
        ]
        if len(places) != 1 or places[0].lineno != places[0].end_lineno:
            raise SweepError(f"{path} does not assign {name} once, on a line of its own, at the top")
        line = lines[places[0].lineno - 1]
        ending = line[len(line.rstrip("\r\n")) :]
        lines[places[0].lineno - 1] = f"{name} = {value!r}{ending}"
    return "".join(lines).encode()


def _file_of(name: str, folder: Path) -> Path:
    if name.isidentifier():
        return Path(str(files("lethe.baselines"))) / f"{name}.py"
    return folder / name


def _name_of(spec: MethodSpec, path: Path, constants: dict[str, Any]) -> str:
    """The given name, with the constants that the sweep varies."""
    varied = {name: value for name, value in constants.items() if isinstance(spec.constants[name], list)}
    shown = varied if spec.name else constants
    words = ", ".join(f"{name}={value}" for name, value in shown.items())
    return f"{spec.name or path.stem}{f' ({words})' if words else ''}"
