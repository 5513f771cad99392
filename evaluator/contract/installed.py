"""What installed packages add to Lethe, found by their entry points."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

ARCHITECTURES: Final = "lethe.architectures"
"""Modules with `build(classes)`; only their text is read, wherever a specification is."""
MEASURES: Final = "lethe.measures"
"""Modules that register measures when they are imported."""
SOURCES: Final = "lethe.sources"
"""Functions that read photographs."""


def installed(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, in the order of their names."""
    return {one.name: one for one in sorted(entry_points(group=group), key=lambda one: one.name)}


def module_source(entry: EntryPoint) -> str:
    """Return the text of the module that an entry point names, without importing anything.

    Raises OSError or UnicodeDecodeError where it cannot be read.
    """
    if entry.dist is None:
        raise OSError(f"the entry point {entry.name} belongs to no installed package")
    stem = Path(*entry.module.split("."))
    for relative in (stem.with_suffix(".py"), stem / "__init__.py"):
        path = Path(str(entry.dist.locate_file(relative)))
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise OSError(f"{entry.module} is not below the folder of its package: install it without -e")
