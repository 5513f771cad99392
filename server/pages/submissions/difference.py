"""Two sources side by side: what differs, and what does not in folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

from lethe.server.submissions.parser_pool import TooCostly, run_program

_PROGRAM = Path(__file__).with_name("diff_sources.py")
CACHED = 8
CONTEXT = 3
"""Unchanged lines that are shown before and after a change."""
ROWS = 2_000
"""Rows of a page; a longer difference is cut."""


@dataclass(frozen=True)
class DiffRow:
    """A line on both sides, on one of them, or changed; numbers are None on the side where there is none."""

    left_number: int | None
    left: str
    right_number: int | None
    right: str
    is_changed: bool


@dataclass(frozen=True)
class DiffPart:
    """Rows that stand together, and the unchanged lines folded before them."""

    folded: str
    count: int
    rows: tuple[DiffRow, ...]


@dataclass(frozen=True)
class Difference:
    """Two sources side by side. `problem` says why not all of it is shown."""

    parts: tuple[DiffPart, ...]
    added: int
    removed: int
    problem: str


@lru_cache(maxsize=CACHED)
def difference(before: bytes, after: bytes) -> Difference:
    """Return how two UTF-8 sources differ by line, found in a killable process: it may take any time."""
    left, right = (_lines(source) for source in (before, after))
    try:
        plain = [("\n".join(lines)).encode() for lines in (left, right)]
        steps = run_program(_PROGRAM, b"".join(plain), first_bytes=len(plain[0]))["steps"]
    except TooCostly:
        return Difference(
            (), 0, 0, "The two files take too long to compare here. `lethe diff` compares them on your machine."
        )
    parts: list[DiffPart] = []
    rows: list[DiffRow] = []
    added = removed = 0
    folded: list[str] = []
    for number, (tag, a, b, c, d) in enumerate(steps):
        if tag != "equal":
            added, removed = added + d - c, removed + b - a
            rows += _changed(left, right, (a, b, c, d))
            continue
        head = 0 if number == 0 else min(CONTEXT, b - a)
        tail = 0 if number == len(steps) - 1 else min(CONTEXT, b - a - head)
        if b - a - head - tail <= CONTEXT:  # not worth a fold
            head, tail = b - a, 0
        rows += _same(left, a, c, head)
        if head + tail < b - a:
            if rows or folded:
                parts.append(DiffPart("\n".join(folded), len(folded), tuple(rows)))
            folded, rows = left[a + head : b - tail], []
        rows += _same(left, b - tail, d - tail, tail)
    parts.append(DiffPart("\n".join(folded), len(folded), tuple(rows)))
    return _cut(parts, added, removed)


def _lines(source: bytes) -> list[str]:
    text = source.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return text.removesuffix("\n").split("\n")


def _same(lines: Sequence[str], left: int, right: int, count: int) -> list[DiffRow]:
    return [
        DiffRow(left + place + 1, lines[left + place], right + place + 1, lines[left + place], is_changed=False)
        for place in range(count)
    ]


def _changed(left: Sequence[str], right: Sequence[str], span: tuple[int, int, int, int]) -> list[DiffRow]:
    a, b, c, d = span
    return [
        DiffRow(
            None if i is None else i + 1, "" if i is None else left[i], None if j is None else j + 1,
            "" if j is None else right[j], is_changed=True,
        )
        for i, j in zip_longest(range(a, b), range(c, d))
    ]  # fmt: skip


def _cut(parts: Sequence[DiffPart], added: int, removed: int) -> Difference:
    """Keep the first ROWS rows, so that no file makes a page that a browser cannot show."""
    kept: list[DiffPart] = []
    left = ROWS
    for part in parts:
        if left <= 0:
            break
        kept.append(DiffPart(part.folded, part.count, part.rows[:left]))
        left -= len(part.rows)
    problem = "" if left >= 0 else f"Only the first {ROWS:,} lines are shown. `lethe diff` prints all of them."
    return Difference(tuple(kept), added, removed, problem)
