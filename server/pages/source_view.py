"""A submitted source in colours, or plain if colouring costs too much; it is never executed."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lethe.server.pages.highlight_source import split_lines
from lethe.server.submissions.parser_pool import TooCostly, run_program

_HIGHLIGHTER = Path(__file__).with_name("highlight_source.py")
CACHED_SOURCES = 16


@dataclass(frozen=True)
class Piece:
    """A run of characters in one colour; `kind` is a class of the stylesheet, empty for plain text."""

    kind: str
    text: str


Line = tuple[Piece, ...]


@lru_cache(maxsize=CACHED_SOURCES)
def source_lines(source: bytes) -> tuple[Line, ...]:
    """Return the lines of a UTF-8 source, coloured in a killable process; plain when that fails or takes too long."""
    try:
        coloured = run_program(_HIGHLIGHTER, source)["lines"]
    except TooCostly:
        coloured = None
    if coloured is None:
        text = source.decode("utf-8-sig", errors="replace")
        return tuple((Piece("", line),) if line else () for line in split_lines(text))
    return tuple(tuple(Piece(kind, text) for kind, text in line) for line in coloured)
