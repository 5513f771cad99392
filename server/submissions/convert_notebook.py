"""Turns one untrusted notebook into a Python file; `parser_process` runs it in a child of its own, isolated.

Standard library only, like `parse_source` beside it, which runs under the same limits.
"""

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

HEADER = "# Made by Lethe from the code cells of a notebook.\n"
FUNCTION = "unlearning"
KEEPING_MAGICS = {"time", "timeit", "capture", "prun"}  # cell magics around Python that runs all the same
WRITING_MAGICS = {"writefile", "file"}
MAX_NOTES = 20
NOTE_CHARS = 100
# What IPython reads differently from Python: magics, shell lines, help, and assignments from the first two.
MAGIC = re.compile(r"\s*([%!?]|[\w.]+\s*=\s*[%!]|[\w.]+\?{1,2}\s*$|(pip|conda)3?\s+install\s)")
# A line magic around a statement, which runs: `%time f()`, `x = %time f()`, `%timeit -n 3 f()`.
STATEMENT = re.compile(
    r"(?P<target>\s*(?:[\w.]+\s*=\s*(?=%time\s))?)%(?:time|timeit|prun)\s+(?:-[a-zA-Z]\s*\d*\s+)*(?P<statement>[^\s-].*)"
)
INSTALL = re.compile(r"\s*[!%]?\s*(?:python3?\s+-m\s+)?(?P<tool>pip|conda|mamba)3?\s+install\s+(?P<packages>.*)")
# Options of pip that change nothing about which package is installed.
QUIET_OPTIONS = frozenset(
    ("-q", "-qq", "-qqq", "--quiet", "-U", "--upgrade", "-y", "--user", "--no-cache-dir", "--disable-pip-version-check")
)
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)(?:(?:[=<>!~]=|[<>])\d+(?:\.\d+)*)?")
MAX_INSTALLED = 40
FUTURE = re.compile(r"from\s+__future__\s+import\s+(?P<names>[\w\s,]+?)\s*(?:#.*)?")
HINT = "name packages in a script block: # /// script, # dependencies = [{}], # ///"
_PIECE = re.compile(r"""#.*|\"{3}|'{3}|["'()\[\]{}]""")
_ENDS = {quote: re.compile(rf"(?:\\.|[^\\])*?{quote}") for quote in ('"""', "'''", '"', "'")}


class NotANotebook(ValueError):
    """The bytes are no notebook of format 4, or one of another language."""


@dataclass(frozen=True)
class Installs:
    """Which packages of `pip install` lines become a script block; names are normalised.

    `base` are installed anyway. `allowed` None: every package.
    """

    base: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = frozenset()

    def taken(self, line: str) -> list[str] | None:
        """Return the requirements that the line adds to the block, or None where the author has to write one."""
        found = INSTALL.fullmatch(line)
        if found is None or found["tool"] != "pip" or line[:1].isspace():
            return None
        taken = []
        for word in found["packages"].split():
            if word in {"&&", ";", "|", ">", "#"} or word.startswith("2>"):
                break
            wanted = REQUIREMENT.fullmatch(word.strip("'\""))
            if word in QUIET_OPTIONS:
                continue
            if wanted is None:
                return None
            name = re.sub(r"[-_.]+", "-", wanted["name"]).lower()
            if name in self.base:
                continue
            if self.allowed is not None and name not in self.allowed:
                return None
            taken.append(wanted[0])
        return taken


def convert(data: bytes, installs: Installs | None = None) -> dict[str, object]:
    """Return the Python source of all code cells in order, and a note on everything that was left out of them.

    The `from __future__` imports of the notebook stand above all cells, because they must come first, and so does a
    script block of the packages that `installs` takes, unless the notebook has one.
    """
    cells = [(number, text.replace("\r\n", "\n").replace("\r", "\n")) for number, text in _code_cells(data)]
    defines = re.compile(rf"^def {FUNCTION}\b", re.MULTILINE)
    is_defined = any(defines.search(text) for _, text in cells if not text.lstrip().startswith("%%"))
    if installs is None or any("# /// script" in text for _, text in cells):
        installs = Installs()
    parts, notes, features, wanted = [], [], [], list[str]()
    for number, text in cells:
        written = _written(text)
        if written is not None and (is_defined or not defines.search(text)):
            kept, dropped = written, list[str]()
        else:
            kept, dropped = _without_magics(text, is_written=written is not None)
        kept, found = _without_futures(kept)
        features += [name for name in found if name not in features]
        for line in dropped:
            taken = installs.taken(line)
            wanted += [] if taken is None else [one for one in taken if one not in wanted]
            notes.append(f"cell {number}: left out {line.strip()[:NOTE_CHARS]!r}{_what_of(line, taken)}")
        parts.append(f"# Cell {number}\n{kept.rstrip()}\n")
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"more lines left out: {len(notes) - MAX_NOTES}"]
    first = f"from __future__ import {', '.join(features)}\n" if features else "\n"
    return {"source": HEADER + _block(wanted[:MAX_INSTALLED]) + first + "\n".join(parts), "notes": notes}


def _block(requirements: list[str]) -> str:
    """Return a script block, or nothing without requirements."""
    if not requirements:
        return ""
    return f"# /// script\n# dependencies = {json.dumps(requirements)}\n# ///\n"


def _code_cells(data: bytes) -> list[tuple[int, str]]:
    """`(number, text)` of the code cells that are not empty; numbers count all cells from 1."""
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
        version = int(notebook["nbformat"])
        metadata = notebook.get("metadata") or {}
        kernel, info = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
        language = kernel.get("language") or info.get("name")
        if version >= 4:
            cells = enumerate(notebook["cells"], start=1)
            texts = [(number, "".join(cell["source"])) for number, cell in cells if cell["cell_type"] == "code"]
        else:  # as nbformat upgrades it
            sheets = notebook["worksheets"] if version == 3 else []
            cells = enumerate([cell for sheet in sheets for cell in sheet["cells"]], start=1)
            texts = [(number, "".join(cell["input"])) for number, cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotANotebook(f"{type(error).__name__}: {str(error)[:200]}") from error
    if version < 3:
        raise NotANotebook("it has an old format: save it as format 4")
    if language is not None and str(language).lower() not in {"python", "python3", "ipython"}:
        raise NotANotebook(f"its language is {str(language)[:40]}")
    return [(number, text) for number, text in texts if text.strip()]


def _written(text: str) -> str | None:
    """Return the statement that writes a file as the cell's `%%writefile` does, or None for another cell."""
    first, _, rest = text.lstrip().partition("\n")
    words = first[2:].split() if first.startswith("%%") else []
    if not words or words[0] not in WRITING_MAGICS:
        return None
    mode = "a" if "-a" in words or "--append" in words else "w"
    names = [word for word in words[1:] if not word.startswith("-")]
    if len(names) != 1 or not re.fullmatch(r"[\w./-]+", names[0]) or names[0].startswith("/") or ".." in names[0]:
        return None
    return f"with open({names[0]!r}, {mode!r}, encoding='utf-8') as _file: _file.write({rest!r})"


def _without_futures(text: str) -> tuple[str, list[str]]:
    """Return the cell with `pass` instead of imports from `__future__`, and what they import."""
    if "__future__" not in text:
        return text, []
    lines, names = text.split("\n"), []
    before = _Before()
    for index, line in enumerate(lines):
        found = FUTURE.fullmatch(line)
        if found is not None and not before.goes_on:
            names += [name.strip() for name in found["names"].split(",") if name.strip()]
            lines[index] = f"pass  # {line}"
        before.add(lines[index])
    return "\n".join(lines), names


def _what_of(line: str, taken: list[str] | None) -> str:
    """Return what becomes of a line that installs packages: `taken` go into the script block, or what to write."""
    found = INSTALL.match(line)
    if found is None:
        return ""
    if taken is not None:
        return f"; it counts as a script block with {', '.join(taken)}" if taken else "; the worker's own is used"
    packages = [
        word for word in found["packages"].split() if re.fullmatch(r"[A-Za-z0-9][\w.-]*([=<>!~]=?[\w.]+)?", word)
    ]
    return f"; {HINT.format(', '.join(json.dumps(word) for word in packages[:5]) or '…')}"


def _without_magics(text: str, *, is_written: bool = False) -> tuple[str, list[str]]:
    """Return the cell with `pass` instead of every line that only IPython understands, and those lines.

    A statement that a magic only measures stays. `is_written`: the cell is a file's content, and is executed instead.
    """
    if _is_python(text):
        return text, []
    lines = text.split("\n")
    first = next(index for index, line in enumerate(lines) if line.strip())
    dropped: list[str] = []
    if lines[first].startswith("%%"):
        name = lines[first][2:].split()[:1]
        if not is_written and not set(name) & KEEPING_MAGICS:
            return "# " + "\n# ".join(lines), [f"{lines[first]} …"]
        if not is_written:
            dropped.append(lines[first])
        lines[first] = f"# {lines[first]}"
    continued = False
    before = _Before()
    for index, line in enumerate(lines):
        if continued or (MAGIC.match(line) and not before.goes_on):
            statement = None if continued else STATEMENT.fullmatch(line)
            if statement is not None:
                lines[index] = f"{statement['target']}{statement['statement']}"
                before.add(lines[index])
                continue
            dropped.append(line)
            indent = line[: len(line) - len(line.lstrip())]
            # A statement, because the line may be all that a block has; the text cannot leave its comment.
            lines[index] = f"# {line}" if continued else f"{indent}pass  # {line.strip()}"
            continued = line.endswith("\\")
        before.add(lines[index])
    return "\n".join(lines), dropped


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


class _Before:
    """What the lines so far leave open: a bracket, a string, or a line that ends with a backslash. Reads each once."""

    def __init__(self) -> None:
        self._depth = 0
        self._quote = ""
        self._is_joined = False

    @property
    def goes_on(self) -> bool:
        """Whether the next line continues a statement of these."""
        return self._depth > 0 or self._quote != "" or self._is_joined

    def add(self, line: str) -> None:
        """Read the next line."""
        position, is_comment = 0, False
        while position < len(line):
            found = _ENDS[self._quote].match(line, position) if self._quote else _PIECE.search(line, position)
            if found is None:
                break
            position = found.end()
            if self._quote:
                self._quote = ""
            elif found[0].startswith("#"):
                is_comment = True
            elif found[0][0] in "\"'":
                self._quote = found[0]
            else:
                self._depth = max(0, self._depth + (1 if found[0] in "([{" else -1))
        self._is_joined = line.endswith("\\") and not is_comment
        if len(self._quote) == 1 and not self._is_joined:
            self._quote = ""  # a mistake, which ends with its line


def run(data: bytes, order: dict[str, Any]) -> dict[str, object]:
    """Return `{"source", "notes"}`, or `{"code", "message"}` if the bytes are no notebook with Python in it.

    `order` has the fields of `Installs`, or nothing.
    """
    allowed = order.get("allowed", [])
    installs = Installs(frozenset(order.get("base", [])), None if allowed is None else frozenset(allowed))
    try:
        return convert(data, installs)
    except NotANotebook as error:
        return {"code": "invalid_notebook", "message": str(error)}
    except (RecursionError, MemoryError):
        return {"code": "too_complex"}
