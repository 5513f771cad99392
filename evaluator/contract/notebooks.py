"""The form of a Python file that was made of a notebook, and how its lines are named. Standard library only."""

import re

FIRST_LINE = "# Made by Lethe from the code cells of a notebook."
_CELL = re.compile(r"# Cell (\d+)")


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
