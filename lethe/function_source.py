"""Writes the file that a function of a notebook would be uploaded as: its text, and that of what it uses."""

import __future__

import ast
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from lethe.evaluator.contract.parameters import SIGNATURE, Parameter, is_argument
from lethe.evaluator.contract.submission import FUNCTION
from lethe.evaluator.errors import EvaluatorError

_NOTEBOOK = "__main__"
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class SourceUnclear(EvaluatorError, ValueError):
    """A function cannot be written as a file of its own; the message says what to change."""


def source_of(function: Callable[..., Any]) -> str:
    """Return a file that defines the function under the name `unlearning`.

    For a function of an imported module this is the module's file as it is on the disk. For one of a notebook or a
    script it has the function's text and whatever of the other cells that uses, as it is now: functions, classes,
    imports, and plain values. Raises SourceUnclear.
    """
    inner = inspect.unwrap(function)
    if not isinstance(inner, FunctionType):
        raise SourceUnclear(f"give it a function, not {type(inner).__name__}: {SIGNATURE}")
    name = inner.__name__
    if inner.__module__ == _NOTEBOOK:
        cells = _Cells(inner.__globals__)
        cells.add(name, function, user=name)
        if name != FUNCTION and FUNCTION in cells.names:
            raise SourceUnclear(f"{name} uses another function called {FUNCTION}: give that one a name of its own")
        text = cells.text()
    else:
        text = _file_of(inner)
    return text if name == FUNCTION else f"{text}\n\n{FUNCTION} = {name}\n"


def _file_of(function: FunctionType) -> str:
    """Return the file of the module in which the function has its name."""
    module = sys.modules.get(function.__module__)
    file = None if module is None else inspect.getsourcefile(module)
    if file is None or inspect.unwrap(getattr(module, function.__name__, None)) is not function:  # type: ignore[arg-type]
        raise SourceUnclear(
            f"{function.__qualname__} is not a function that the file of {function.__module__} defines by this name: "
            "define it with def at the top level of the file"
        )
    return Path(file).read_text(encoding="utf-8")


class _Cells:
    """Collects from a notebook's names what a function needs, in an order in which it can be executed."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._imports: list[str] = []
        self._parts: list[str] = []
        self._features: set[str] = set()
        self.names: set[str] = set()

    def text(self) -> str:
        """Return the file."""
        first = [f"from __future__ import {name}" for name in sorted(self._features)]
        head = "\n".join((*first, *sorted(self._imports)))
        return "\n\n\n".join((*([head] if head else []), *self._parts)) + "\n"

    def add(self, name: str, value: Any, *, user: str) -> None:
        """Add what binds the name to the value, and before it whatever that uses; raises SourceUnclear."""
        if name in self.names:
            return
        self.names.add(name)
        kind, own = type(value), _unwrapped(value)
        if isinstance(value, ModuleType):
            same = value.__name__ == name
            self._imports.append(f"import {value.__name__}" + ("" if same else f" as {name}"))
        elif isinstance(own, FunctionType | type) and own.__module__ == _NOTEBOOK:
            self._define(name, value, own)
        elif _is_importable(value):
            same = value.__name__ == name
            self._imports.append(f"from {value.__module__} import {value.__name__}" + ("" if same else f" as {name}"))
        elif _is_plain(value):
            self._parts.append(f"{name} = {value!r}")
        elif (kind.__module__, kind.__name__) in {("torch", "device"), ("torch", "dtype")}:
            self.add("torch", sys.modules["torch"], user=name)
            self._parts.append(
                f"{name} = " + (f"torch.device({str(value)!r})" if kind.__name__ == "device" else str(value))
            )
        else:
            raise SourceUnclear(_cannot_go_along(name, value, user))

    def _define(self, name: str, value: Any, own: Any) -> None:
        if own.__name__ != name and self._values.get(own.__name__) is value:
            self.add(own.__name__, value, user=name)
            self._parts.append(f"{name} = {own.__name__}")
            return
        text = _text_of(own)
        for used in sorted(set(_names_in(text))):  # the same file each time
            if used in self._values and not used.startswith("__"):
                self.add(used, self._values[used], user=name)
        if isinstance(own, FunctionType) and own.__code__.co_flags & __future__.annotations.compiler_flag:
            self._features.add("annotations")
        self._parts.append(text)


def _unwrapped(value: Any) -> Any:
    return inspect.unwrap(value) if callable(value) else value


def _is_importable(value: Any) -> bool:
    """Whether `from module import name` gives the value."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == _NOTEBOOK:
        return False
    return getattr(sys.modules.get(module), name, None) is value


def _is_plain(value: Any) -> bool:
    """Whether the value's text gives the value again."""
    if isinstance(value, float | complex):
        return type(value) in {float, complex} and "inf" not in repr(value) and "nan" not in repr(value)
    if type(value) in {list, tuple, set, frozenset}:
        return type(value) is not frozenset and all(_is_plain(part) for part in value)
    if type(value) is dict:
        return all(_is_plain(part) for pair in value.items() for part in pair)
    return type(value) in _PLAIN


def _cannot_go_along(name: str, value: Any, user: str) -> str:
    kind = type(value).__name__
    if is_argument(Parameter(name)):
        hint = f"{FUNCTION} is given it, so use the argument: {SIGNATURE}"
    else:
        hint = f"make it inside of {user}"
    return (
        f"{user} uses `{name}` of another cell, a value of the type {kind}. Only functions, classes, imports and plain "
        f"values go along: {hint}"
    )


def _text_of(value: Any) -> str:
    """Return the text of a function or class of a notebook; raises SourceUnclear."""
    name = value.__name__
    if name == "<lambda>":
        raise SourceUnclear("a lambda cannot be written to a file: define the function with def")
    if "<locals>" in value.__qualname__:
        raise SourceUnclear(
            f"{value.__qualname__} is made inside of another function, so its text alone is not enough: define it "
            "with def at the top level of a cell. A decorator needs functools.wraps"
        )
    for file in _files_of(value):
        linecache.checkcache(file)
        lines = linecache.getlines(file)
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:
            continue
        found = [node for node in ast.walk(tree) if isinstance(node, _DEFINITIONS) and node.name == name]
        if isinstance(value, FunctionType):
            found = [node for node in found if _first_line(node) == value.__code__.co_firstlineno]
        else:
            found = [node for node in found if _has_attributes_of(value, node)]
        if found:
            return textwrap.dedent("".join(lines[_first_line(found[-1]) - 1 : found[-1].end_lineno])).rstrip()
    raise SourceUnclear(
        f"the text of {name} cannot be found: define it in a cell of the notebook, run that cell again, or put it into "
        "a file and import it"
    )


def _files_of(value: Any) -> Iterator[str]:
    """Yield the names under which Python may keep the text that defined a function or a class, the likeliest first."""
    if isinstance(value, FunctionType):
        yield value.__code__.co_filename
        return
    for part in vars(value).values():
        inner = _unwrapped(getattr(part, "__func__", part))
        if isinstance(inner, FunctionType):
            yield inner.__code__.co_filename
    # A class without methods does not know where it is from: the newest cell, or the script itself.
    yield from [name for name, entry in reversed(linecache.cache.items()) if len(entry) > 1 and entry[1] is None]
    yield getattr(sys.modules[_NOTEBOOK], "__file__", None) or ""


def _has_attributes_of(value: Any, node: ast.AST) -> bool:
    """Whether what the text of a class says of its attributes is so; an older cell may have another text of it."""
    for part in getattr(node, "body", []):
        if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
            target = part.targets[0] if isinstance(part, ast.Assign) else part.target
            try:
                said = ast.literal_eval(part.value)
            except ValueError:
                continue
            if isinstance(target, ast.Name) and vars(value).get(target.id) != said:
                return False
    return True


def _first_line(node: Any) -> int:
    first: int = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first


def _names_in(text: str) -> Iterator[str]:
    """Yield the names that executing a definition, or what it defines, reads of its module."""
    pending = [(symtable.symtable(text, "cell", "exec"), True)]
    while pending:
        table, is_top = pending.pop()
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (is_top or symbol.is_global()):
                yield symbol.get_name()
        pending += [(child, False) for child in table.get_children()]
