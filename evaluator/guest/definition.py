"""Executes a submission as a module: whole, or, to decide what of it runs, statement by statement.

What `decide` reports is a claim of the untrusted process. It can name lines of the file and nothing else, so the host
makes the exact source of them.
"""

import ast
import asyncio
import contextlib
import dis
import gc
import inspect
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

from lethe.evaluator.contract.notebooks import is_converted, place_of
from lethe.evaluator.contract.parameters import SIGNATURE, Parameter, is_argument
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.guest.statements import Dependence
from lethe.evaluator.guest.surroundings import prepare
from lethe.sandbox.guest import function_of, new_module

_MESSAGE_CHARS = 200
_MAX_OBJECTS = 200_000
_TOO_LONG = "this statement takes too long"
_NEVER_LONG = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Cut(TypedDict):
    """A statement that does not run: its first and last line, and why."""

    first: int
    last: int
    reason: str


class LeftOutIsNeeded(EvaluatorError, NameError):
    """The function depends on a statement that cannot run here."""


def define(source: bytes, filename: str, function: str) -> Callable[..., Any]:
    """Execute the source as a module and return its function; cells of a notebook may await at their top level.

    Raises what the source raises, SyntaxError, UnicodeDecodeError, and AttributeError when it defines no such function.
    """
    module, text = _prepared(source, filename)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if is_converted(text) else 0
    _execute(compile(text, filename, "exec", flags, dont_inherit=True), module)
    return function_of(module, filename, function)


def decide(source: bytes, filename: str, function: str, *, statement_s: float) -> list[Cut]:
    """Execute the source statement by statement and return those that raise or run for longer than `statement_s`.

    `statement_s` is processor time; by the clock a statement may take four times as long. Raises SyntaxError, and
    LeftOutIsNeeded where the function depends on one of these statements, or it cannot be told that it does not.
    """
    module, text = _prepared(source, filename)
    tree = ast.parse(text, filename)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if is_converted(text) else 0
    flags |= _future_flags(tree)
    dependence = Dependence(tree.body)
    cuts: list[Cut] = []
    reasons: dict[ast.stmt, str] = {}
    for unit in _units(tree):
        reason = _try(unit, module, filename, flags, statement_s)
        for statement in unit:
            if reason is None:
                dependence.keep(statement, module.__dict__)
            else:
                dependence.leave_out(statement, module.__dict__)
                reasons[statement] = reason
        if reason is not None:
            cuts.append({"first": _first_line(unit[0]), "last": _last_line(unit[-1]), "reason": reason})
    if cuts:
        _require_independence(dependence, reasons, module, filename, function, text)
    else:
        function_of(module, filename, function)
    return cuts


def _prepared(source: bytes, filename: str) -> tuple[types.ModuleType, str]:
    """An empty module for the source and its text, in the surroundings that a script has."""
    module, text = new_module(source, filename)
    prepare(source, filename, is_notebook=is_converted(text))
    module.__file__ = str(Path.cwd() / filename)
    return module, text


def _units(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Yield the statements in groups that have no line in common: `a = 1; b = 2` is one."""
    unit: list[ast.stmt] = []
    for statement in tree.body:
        if unit and _first_line(statement) > _last_line(unit[-1]):
            yield unit
            unit = []
        unit.append(statement)
    if unit:
        yield unit


def _try(unit: list[ast.stmt], module: types.ModuleType, filename: str, flags: int, statement_s: float) -> str | None:
    """Execute the statements; return why they cannot run, or None."""
    code = compile(ast.Module(unit, []), filename, "exec", flags, dont_inherit=True)
    is_limited = not all(isinstance(statement, _NEVER_LONG) for statement in unit)
    try:
        with _time_limit(statement_s if is_limited else None):
            _execute(code, module)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - `raise SystemExit` and the like end a notebook's driver
        if error.args == (_TOO_LONG,):
            return f"it ran for longer than {statement_s:.2g} s"
        return f"{type(error).__name__}: {_text(error)}"
    return None


def _execute(code: types.CodeType, module: types.ModuleType) -> None:
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, module.__dict__))  # noqa: S307 - what the jail is for
    else:
        exec(code, module.__dict__)  # noqa: S102 - what the jail is for


def _future_flags(tree: ast.Module) -> int:
    """The compiler's flags for the `from __future__` imports of the file."""
    import __future__

    names = [
        alias.name
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        for alias in statement.names
    ]
    flags: int = 0
    for name in names:
        flags |= int(getattr(__future__, name).compiler_flag)
    return flags


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line(statement: ast.stmt) -> int:
    return statement.lineno if statement.end_lineno is None else statement.end_lineno


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:_MESSAGE_CHARS]
    except Exception:  # noqa: BLE001 - the submission's own __str__
        return "<the message cannot be shown>"


@contextlib.contextmanager
def _time_limit(limit_s: float | None) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block after `limit_s` of processor time, and again where that is ignored."""
    if limit_s is None:
        yield
        return

    def end(*_: object) -> None:
        raise KeyboardInterrupt(_TOO_LONG)  # which `except Exception` lets through

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, limit_s), (signal.SIGALRM, signal.ITIMER_REAL, 4 * limit_s))
    former = [(number, signal.signal(number, end)) for number, _, _ in timers]
    try:
        for _, timer, seconds in timers:
            signal.setitimer(timer, seconds, 1.0)
        yield
    finally:
        for _, timer, _ in timers:
            signal.setitimer(timer, 0)
        for number, handler in former:
            signal.signal(number, handler)


def _require_independence(
    dependence: Dependence,
    reasons: dict[ast.stmt, str],
    module: types.ModuleType,
    filename: str,
    function: str,
    text: str,
) -> None:
    """Raise LeftOutIsNeeded unless the function certainly is what it would be if all statements had run."""

    def refuse(what: str, statement: ast.stmt) -> None:
        place = place_of(text, _first_line(statement))
        raise LeftOutIsNeeded(f"{what} {place}, which cannot run here: {reasons[statement]}")

    if function in dependence.spoiled:
        refuse(f"{function} comes from", dependence.spoiled[function])
    found = function_of(module, filename, function)
    if dependence.problem is not None:
        what, statement = dependence.problem
        refuse(f"what {function} needs cannot be told, because a statement that {what} is at", statement)
    needs = _Needs(module)
    needs.follow(found)
    for name in sorted(needs.names & set(dependence.spoiled)):
        hint = ""
        if is_argument(Parameter(name)):
            hint = f"; {function} is given it, so use the argument: {SIGNATURE}"
        place = place_of(text, _first_line(dependence.spoiled[name]))
        reason = reasons[dependence.spoiled[name]]
        raise LeftOutIsNeeded(f"{function} needs `{name}` from {place}, which cannot run here ({reason}){hint}")
    for name, statement in dependence.changed.items():
        if id(module.__dict__.get(name)) in needs.objects:
            refuse(f"{function} uses what `{name}` is, which is changed at", statement)


class _Needs:
    """What a function reaches: global names of the module by name, and objects by identity."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self.names: set[str] = set()
        self.objects: set[int] = set()

    def follow(self, start: object) -> None:
        """Add everything that `start` reaches; raises LeftOutIsNeeded when that is too much to follow."""
        namespace = self._module.__dict__
        pending = [start]
        while pending:
            value = pending.pop()
            if id(value) in self.objects or isinstance(value, types.ModuleType) or value is namespace:
                continue
            self.objects.add(id(value))
            if len(self.objects) > _MAX_OBJECTS:
                raise LeftOutIsNeeded("the function reaches too many objects to tell what it needs")
            if isinstance(value, types.FunctionType):
                pending += [value.__closure__, value.__defaults__, value.__kwdefaults__, value.__dict__]
                if value.__globals__ is namespace:
                    for name in _globals_of(value.__code__) - self.names:
                        self.names.add(name)
                        pending.append(namespace.get(name))
            elif isinstance(value, type):
                if value.__module__ == self._module.__name__:
                    pending += [*vars(value).values(), *value.__bases__]
            elif not isinstance(value, str | bytes | int | float | types.CodeType | types.FrameType):
                pending += gc.get_referents(value)


def _globals_of(code: types.CodeType) -> set[str]:
    """The names that the code, and code inside of it, loads from, stores to or deletes of its module."""
    found = {
        str(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname.endswith("_GLOBAL") or instruction.opname in {"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _globals_of(constant)
    return found
