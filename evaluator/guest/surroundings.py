"""Makes a run's process look to a submission like the one at home: arguments, files, and what a notebook offers."""

import builtins
import importlib.abc
import importlib.util
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

_IPYTHON = ("IPython", "IPython.display", "IPython.core", "IPython.core.display", "IPython.core.getipython")


def prepare(source: bytes, filename: str, *, is_notebook: bool) -> None:
    """Put the file into the working folder, where worker processes import it, and set the arguments of a script.

    `is_notebook`: names that IPython gives to every cell exist, and print text.
    """
    Path(filename).write_bytes(source)
    sys.argv[:] = [filename]
    sys.path.insert(0, str(Path.cwd()))
    # Processes that are spawned import what this module says it came from, and would find the jail's own program.
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.meta_path.append(_StandIns())  # last: an installed IPython is found first
    if importlib.util.find_spec("ipywidgets") is None:
        _show_progress_as_text()
    if is_notebook:
        builtins.get_ipython = get_ipython  # type: ignore[attr-defined]  # IPython does the same
        builtins.display = display  # type: ignore[attr-defined]


def display(*values: object, **_options: object) -> None:
    """Print the values."""
    for value in values:
        print(value)  # noqa: T201 - what a notebook shows is a run's output


def get_ipython() -> "_Shell":
    """Return a shell whose magics do nothing."""
    return _SHELL


class _Shell:
    """Takes every call that a cell makes of its shell and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ANYTHING


class _Anything:
    """Is called and looked into, as deep as one likes, and does nothing: `ip.events.register(…)`."""

    def __call__(self, *_: object, **__: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


_SHELL = _Shell()
_ANYTHING = _Anything()
_VERSION = (9, 0, 0, "")  # matplotlib asks for it whenever IPython is imported; from 8.24 it needs nothing of it


class _Shown:
    """What `HTML(…)` and the like make: the text that they were given."""

    def __init__(self, data: object = "", *_: object, **__: object) -> None:
        self.data = data

    def __repr__(self) -> str:
        return str(self.data)


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `IPython` where it is not installed, as a package of a few names."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        return ModuleSpec(name, self, is_package=True) if name in _IPYTHON else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make the module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Give the module its names."""
        module.__dict__.update(get_ipython=get_ipython, display=display, clear_output=_ANYTHING)
        module.__dict__.update(version_info=_VERSION, __version__=".".join(map(str, _VERSION[:3])))
        for name in ("HTML", "Image", "Markdown", "Latex", "JSON", "Code", "Audio", "SVG", "Javascript", "Math"):
            setattr(module, name, _Shown)


def _show_progress_as_text() -> None:
    """Let `tqdm.notebook`, which fails without ipywidgets, be the bar that prints."""
    try:
        from tqdm import std  # type: ignore[import-untyped]  # ships none
    except ImportError:
        return
    notebook = types.ModuleType("tqdm.notebook")
    notebook.__dict__.update(tqdm=std.tqdm, trange=std.trange, tqdm_notebook=std.tqdm, tnrange=std.trange)
    sys.modules["tqdm.notebook"] = notebook
    sys.modules["tqdm"].notebook = notebook  # type: ignore[attr-defined]
    sys.modules["tqdm"].tqdm_notebook = std.tqdm  # type: ignore[attr-defined]
