"""Turns one untrusted notebook into a Python file; `parser_process` runs it in a child of its own, isolated.

Standard library only, like `parse_source` beside it, which runs under the same limits.
"""

import ast
import io
import json
import re
import tokenize

HEADER = "# Made by Lethe from the code cells of a notebook.\n"
KEEPING_MAGICS = {"time", "timeit", "capture", "prun"}  # cell magics around Python that runs all the same
MAX_NOTES = 20
NOTE_CHARS = 100
# What IPython reads differently from Python: magics, shell lines, help, and assignments from the first two.
MAGIC = re.compile(r"\s*([%!?]|[\w.]+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$)")


class NotANotebook(ValueError):
    """The bytes are no notebook of format 4, or one of another language."""


def convert(data: bytes) -> dict[str, object]:
    """Return the Python source of all code cells in order, and a note on everything that was left out of them."""
    cells = _code_cells(data)
    parts, notes = [HEADER], []
    for number, text in cells:
        kept, dropped = _without_magics(text.replace("\r\n", "\n").replace("\r", "\n"))
        notes += [f"cell {number}: left out {line.strip()[:NOTE_CHARS]!r}" for line in dropped]
        parts.append(f"# Cell {number}\n{kept.rstrip()}\n")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more lines"]
    return {"source": "\n".join(parts), "notes": notes}


def _code_cells(data: bytes) -> list[tuple[int, str]]:
    """`(number, text)` of the code cells that are not empty; numbers count all cells from 1."""
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        version = int(notebook["nbformat"])
        metadata = notebook.get("metadata", {})
        language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
        cells = enumerate(notebook["cells"] if version >= 4 else [], start=1)
        texts = [(number, "".join(cell["source"])) for number, cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotANotebook(f"{type(error).__name__}: {str(error)[:200]}") from error
    if version < 4:
        raise NotANotebook("it has an old format: save it as format 4")
    if language not in (None, "python"):
        raise NotANotebook(f"its language is {str(language)[:40]}")
    return [(number, text) for number, text in texts if text.strip()]


def _without_magics(text: str) -> tuple[str, list[str]]:
    """Return the cell with `pass` instead of every line that only IPython understands, and those lines."""
    if _is_python(text):
        return text, []
    lines = text.split("\n")
    first = next(index for index, line in enumerate(lines) if line.strip())
    dropped: list[str] = []
    if lines[first].startswith("%%"):
        if lines[first][2:].split(" ")[0] not in KEEPING_MAGICS:
            return "# " + "\n# ".join(lines), [f"{lines[first]} …"]
        dropped.append(lines[first])
        lines[first] = f"# {lines[first]}"
    continued = False
    for index, line in enumerate(lines):
        if continued or (MAGIC.match(line) and not _is_inside("\n".join(lines[:index]))):
            dropped.append(line)
            indent = line[: len(line) - len(line.lstrip())]
            # A statement, because the line may be all that a block has; the text cannot leave its comment.
            lines[index] = f"# {line}" if continued else f"{indent}pass  # {line.strip()}"
            continued = line.endswith("\\")
    return "\n".join(lines), dropped


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _is_inside(before: str) -> bool:
    """Return whether a line after `before` continues a string, a bracket or a line that ends with a backslash."""
    try:
        for _ in tokenize.generate_tokens(io.StringIO(f"{before}\n").readline):
            pass
    except tokenize.TokenError as error:
        return "multi-line" in str(error)
    except SyntaxError:  # of the indentation
        return False
    return before.endswith("\\")


def run(data: bytes, order: dict[str, object]) -> dict[str, object]:  # noqa: ARG001 - every program has it
    """Return `{"source", "notes"}`, or `{"code", "message"}` if the bytes are no notebook with Python in it."""
    try:
        return convert(data)
    except NotANotebook as error:
        return {"code": "invalid_notebook", "message": str(error)}
    except (RecursionError, MemoryError):
        return {"code": "too_complex"}
