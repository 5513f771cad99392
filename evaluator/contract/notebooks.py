"""The form of a Python file that was made of a notebook, and how its lines are named. Standard library only."""

import re

FIRST_LINE = "# Made by Lethe from the code cells of a notebook."
_CELL = re.compile(r"# Cell (\d+)")
_PLACE = re.compile(r"\b(?:cell (?P<cell>\d{1,6}), )?line (?P<line>\d{1,6})\b")


def is_converted(text: str) -> bool:
    """Whether the source was made of a notebook."""
    return text.startswith(FIRST_LINE)


def place_of(text: str, line: int) -> str:
    """Return how a reader finds a line, counted from 1: by cell and line of the cell in a file made of a notebook."""
    if is_converted(text):
        lines = text.split("\n")[: line - 1]
        for distance, above in enumerate(reversed(lines), start=1):
            found = _CELL.fullmatch(above)
            if found:
                return f"cell {found[1]}, line {distance}"
    return f"line {line}"


def named_line(text: str, message: str) -> int | None:
    """Return the line of the file that a message names first, in the words of `place_of`; None if it names none."""
    found = _PLACE.search(message)
    if found is None or (found["cell"] is not None) is not is_converted(text):
        return None
    lines = text.split("\n")
    above = 0
    if found["cell"] is not None:
        above = next((number for number, line in enumerate(lines, start=1) if line == f"# Cell {found['cell']}"), 0)
        if above == 0:
            return None
    line = above + int(found["line"])
    return line if 1 <= line <= len(lines) else None
