"""The exact source of a submission: the uploaded file without the statements that cannot run here.

Lines that are left out become comments, so every other line keeps its number. See docs/adr/0015.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lethe.evaluator.contract.notebooks import place_of
from lethe.evaluator.errors import EvaluatorError
from lethe.sandbox import GuestError, RunResult, Status
from lethe.sandbox.harmless_text import harmless

MARK = "# left out: "
"""Begins a line that is left out; nothing that follows it can open a script block."""
MAX_PASSES = 8
MAX_NOTES = 100
_LINE_CHARS = 80
_REASON_CHARS = 300


class Cut(NamedTuple):
    """Lines that do not run, both included and counted from 1, and why."""

    first: int
    last: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """What of a file runs: the exact source, and a note on each statement that it lacks.

    `failed` is the pass that ended without an answer, which is the submission's fault or nobody's.
    """

    source: bytes
    notes: tuple[str, ...] = ()
    failed: RunResult | None = None


class InvalidCuts(EvaluatorError, ValueError):
    """The answer on what was left out names lines that the file has not: the guest has tampered with it."""


def decide(source: bytes, define: Callable[[bytes], RunResult]) -> Decision:
    """Return the exact source of a file. `define` executes a source as the harness's `decide` does.

    It is executed again without what was left out, until nothing more is: a statement may need what another did before
    it raised.
    """
    notes: list[str] = []
    for _ in range(MAX_PASSES):
        result = define(source)
        if result.status is not Status.OK or result.payload is None:
            return Decision(source, tuple(notes), result)
        text = _text(source)
        try:
            cuts = read_cuts(result.payload, text.count("\n") + 1)
        except InvalidCuts as error:
            told = GuestError(type="InvalidResult", message=str(error), line=None, traceback="")
            failed = replace(result, status=Status.INVALID_RESULT, payload=None, error=told)
            return Decision(source, tuple(notes), failed)
        if not cuts:
            return Decision(source, tuple(notes))
        notes += [_note(text, cut) for cut in cuts]
        source = leave_out(text, cuts).encode()
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more statements"]
    return Decision(source, tuple(notes))


def read_cuts(payload: bytes, lines: int) -> list[Cut]:
    """Return the guest's answer: disjoint ranges of lines in their order. Raises InvalidCuts."""
    try:
        cuts = [Cut(int(one["first"]), int(one["last"]), str(one["reason"])) for one in json.loads(payload)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidCuts(f"{type(error).__name__} in the answer on what was left out") from error
    end = 0
    for cut in cuts:
        if not end < cut.first <= cut.last <= lines:
            raise InvalidCuts(f"lines {cut.first} to {cut.last} cannot be left out")
        end = cut.last
    return cuts


def leave_out(text: str, cuts: Sequence[Cut]) -> str:
    """Return the text with the lines of `cuts` as comments."""
    lines = text.split("\n")
    for cut in cuts:
        for number in range(cut.first, cut.last + 1):
            lines[number - 1] = f"{MARK}{lines[number - 1]}".rstrip()
    return "\n".join(lines)


def _note(text: str, cut: Cut) -> str:
    line = text.split("\n")[cut.first - 1].strip()
    shown = line if len(line) <= _LINE_CHARS else f"{line[:_LINE_CHARS]}…"
    more = " …" if cut.last > cut.first else ""
    return f"{place_of(text, cut.first)}: left out `{harmless(shown)}{more}` ({harmless(cut.reason[:_REASON_CHARS])})"


def _text(source: bytes) -> str:
    """The text as the guest reads it."""
    return source.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
