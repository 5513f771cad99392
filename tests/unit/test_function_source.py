"""A function of a notebook becomes a file that does the same, or a sentence says what to change."""

import importlib
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lethe.function_source import SourceUnclear, source_of

CELLS = iter(range(10_000))


class Notebook:
    """Executes cells as Jupyter does: each has a file name of its own, and its text is kept for tracebacks."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, text: str) -> None:
        file = f"<cell {next(CELLS)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec", dont_inherit=True), self.names)  # noqa: S102 - the test's own text

    def source(self, name: str = "unlearning") -> str:
        return source_of(self.names[name])


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


def call(source: str, *arguments: Any) -> Any:
    """What the file's function returns, in a module that has nothing else."""
    names: dict[str, Any] = {"__name__": "submission"}
    exec(compile(source, "submission.py", "exec", dont_inherit=True), names)  # noqa: S102 - made of the test's own text
    return names["unlearning"](*arguments)


def test_what_the_function_uses_goes_along(notebook: Notebook) -> None:
    notebook.run("import math as m\nfrom collections import OrderedDict\nfrom functools import wraps\n")
    notebook.run("RATE, NAMES, UNUSED = 0.5, {'a': [1, (2, None)]}, object()\n")
    notebook.run(
        "def doubled(function):\n    @wraps(function)\n    def call(*args):\n        return 2 * function(*args)\n"
        "    return call\n"
    )
    notebook.run(
        "class Base:\n    rate = RATE\n\n\nclass Step(Base):\n    def size(self, n=len(NAMES)):\n"
        "        UNUSED = 1\n        return self.rate * n * m.floor(1.5)\n"
    )
    notebook.run("@doubled\ndef helper(x):\n    return x + Step().size() if x < 3 else even(x)\n")
    notebook.run("def even(x):\n    return helper(x - 2)\n\nalso = helper\n")
    notebook.run(
        "def unlearning(net, retain, forget, validation):\n    total = sum(also(one) for one in retain)\n"
        "    return OrderedDict(total=total, net=net)\n"
    )
    arguments = ("net", [1, 2, 5], None, None)
    source = notebook.source()
    assert call(source, *arguments) == notebook.names["unlearning"](*arguments)
    assert "UNUSED = <" not in source
    assert source.startswith("from collections import OrderedDict\n")


def test_of_a_class_whose_cell_ran_again_the_present_text_counts(notebook: Notebook) -> None:
    first, second = ("class Config:\n    rate = 1\n", "class Config:\n    rate: int = 2\n")
    notebook.run(first)
    notebook.run(second)
    notebook.run("def unlearning(net, r, f, v):\n    return Config.rate\n")
    assert call(notebook.source(), 0, 0, 0, 0) == 2
    notebook.names["Config"].rate = 1  # as if the first cell had run last
    assert call(notebook.source(), 0, 0, 0, 0) == 1


def test_another_name_is_the_functions_too(notebook: Notebook) -> None:
    notebook.run("from __future__ import annotations\n\ndef mine(net: Unknown, r, f, v) -> None:\n    return net\n")
    assert call(notebook.source("mine"), 7, 0, 0, 0) == 7
    notebook.run(
        "def unlearning(net, r, f, v):\n    return net\n\ndef twice(n, r, f, v):\n    return unlearning(n, r, f, v)"
    )
    with pytest.raises(SourceUnclear, match="twice uses another function called unlearning: give that one a name"):
        notebook.source("twice")


def test_torchs_devices_and_types_are_plain_values(notebook: Notebook) -> None:
    import torch

    notebook.run("import torch as t\nDEVICE, KIND = t.device('cpu'), t.float64\n")
    notebook.run("def unlearning(net, r, f, v):\n    return t.ones(1, device=DEVICE, dtype=KIND)\n")
    assert call(notebook.source(), 0, 0, 0, 0).dtype is torch.float64


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import numpy as np\nBIG = np.ones(3)\ndef unlearning(n, r, f, v):\n    return BIG",
         r"unlearning uses `BIG` of another cell, a value of the type ndarray\..*make it inside of unlearning"),
        ("LIMIT = float('inf')\ndef unlearning(n, r, f, v):\n    return LIMIT", "`LIMIT` of another cell"),
        ("retain_loader = iter(())\ndef help():\n    list(retain_loader)\ndef unlearning(n, r, f, v):\n    help()",
         r"help uses `retain_loader`.*so use the argument: def unlearning\(net, retain, forget, validation\):"),
        ("unlearning = lambda n, r, f, v: n", "define the function with def"),
        ("def make(x):\n    def unlearning(n, r, f, v):\n        return x\n    return unlearning\nunlearning = make(1)",
         "is made inside of another function"),
        ("class Net:\n    pass\nunlearning = Net()", "give it a function, not Net"),
        ("exec('def unlearning(n, r, f, v):\\n    return n')", "the text of unlearning cannot be found"),
    ],
)  # fmt: skip
def test_what_cannot_go_along_is_named_with_what_to_do(notebook: Notebook, cell: str, said: str) -> None:
    notebook.run(cell)
    with pytest.raises(SourceUnclear, match=said):
        notebook.source()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("method_of_mine", None)


def test_a_function_of_a_file_is_the_file(folder: Path) -> None:
    file = folder / "method_of_mine.py"
    file.write_text("RATE = object()\n\n\ndef better(net, r, f, v):\n    return net\n\n\nother = [better]\n")
    module = importlib.import_module("method_of_mine")
    assert source_of(module.better) == f"{file.read_text()}\n\nunlearning = better\n"
    module.better, lost = None, module.better
    with pytest.raises(SourceUnclear, match="is not a function that the file of method_of_mine defines by this name"):
        source_of(lost)
