"""The results of a sweep as CSV, as Markdown, and as the list that says which order is significant."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path

from lethe.evaluator.bench.sweep import Constant
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.measures.registry import Value, measure_of, measures
from lethe.evaluator.metrics import Score, paired_difference

START, END = "<!-- results: start -->", "<!-- results: end -->"
PLAIN = "finetune"
"""The verdict compares the others with this method."""
SHORT = ("forgetting_quality", "final_score", "forget_accuracy", "retain_accuracy", "test_accuracy", "wall_time")
_TITLES = {"final_score": "final score", "wall_time": "seconds"}
_SIGNIFICANT = 3


class ResultsBlockMissing(EvaluatorError, ValueError):
    """A file lacks the two comments that the table goes between."""


@dataclass(frozen=True, eq=False)
class Row:
    """One line: a method or a reference (`ceiling`, `floor`) with the values of its measures, or its fault."""

    name: str
    constants: dict[str, Constant]
    runs: int
    measures: dict[str, Value]
    score: Score | None
    fault: str = ""
    is_reference: bool = False


def sort_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows from the best final score to the worst; failed ones come last."""
    return sorted(rows, key=lambda row: -1.0 if row.score is None else row.score.final_score, reverse=True)


def csv_table(rows: Sequence[Row]) -> str:
    """One line a row, with value, low and high of each measure in columns of their own; plain numbers throughout."""
    names = _measure_names(rows)
    stream = io.StringIO()
    writer = csv.writer(stream)
    ends = [f"{name} {end}".strip() for name in names for end in ("", "low", "high")]
    writer.writerow(["method", "constants", "runs", *ends, "fault"])
    for row in rows:
        values = [value for name in names for value in _csv_values(row.measures.get(name))]
        constants = "; ".join(f"{name}={value}" for name, value in row.constants.items())
        writer.writerow([row.name, constants, row.runs, *values, row.fault])
    return stream.getvalue()


def markdown_table(rows: Sequence[Row], names: Sequence[str] | None = None) -> str:
    """A Markdown table of these measures: value with its 95% interval; by default one for each question, with a title.

    Measures that no row has are left out.
    """
    if names is None:
        return "\n".join(_section(rows, question, found) for question, found in _by_question(rows).items())
    lines = ["| method | " + " | ".join(column_title(name) for name in names) + " |"]
    lines.append("|---|" + "---:|" * len(names))
    for row in rows:
        title = f"*{row.name}*" if row.is_reference else row.name
        cells = [format_value(row.measures.get(name)) for name in names]
        lines.append(f"| {title} | " + " | ".join(cells if row.score is not None else [row.fault]) + " |")
    return "\n".join(lines) + "\n"


def column_title(name: str) -> str:
    """The short title of a value: `F`, `final score`, `KLoM p95`."""
    return _TITLES.get(name) or measure_of(name).column_title(name)


def format_value(value: Value | None) -> str:
    """`0.031 (0.024 to 0.038)`, the value and its interval to three digits; empty for none."""
    if value is None:
        return ""
    shown = [_short(value.value)]
    if value.low is not None and value.high is not None:
        shown.append(f"({_short(value.low)} to {_short(value.high)})")
    return " ".join(shown)


def _short(number: float) -> str:
    digits = max(0, _SIGNIFICANT - 1 - floor(log10(abs(number)))) if number else 0
    return f"{number:.{min(digits, _SIGNIFICANT)}f}"


def _by_question(rows: Sequence[Row]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in _measure_names(rows):
        names.setdefault(measure_of(name).question, []).append(name)
    return names


def _section(rows: Sequence[Row], question: str, names: list[str]) -> str:
    return f"## {question}\n\n{markdown_table(rows, names)}"


def verdict(rows: Sequence[Row]) -> str:
    """Which methods differ significantly from plain fine-tuning, as a Markdown list; empty without that method."""
    plain = next((row.score for row in rows if row.name == PLAIN and row.score is not None), None)
    if plain is None:
        return ""
    above: list[str] = []
    below: list[str] = []
    alike: list[str] = []
    for row in rows:
        if row.score is None or row.is_reference or row.name == PLAIN:
            continue
        difference = paired_difference(row.score, plain)
        if not difference.significant:
            alike.append(row.name)
        else:
            (above if difference.difference > 0 else below).append(row.name)
    lines = [
        f"- {title} plain fine-tuning (`{PLAIN}`): {', '.join(names) if names else 'none'}."
        for title, names in (
            ("Significantly above", above),
            ("Significantly below", below),
            ("Not to be told apart from", alike),
        )
    ]
    ceiling = next((row for row in rows if row.name == "ceiling" and row.score is not None), None)
    if ceiling is not None and ceiling.score is not None:
        over = [
            row.name
            for row in rows
            if row.score is not None and not row.is_reference and _is_above(row.score, ceiling.score)
        ]
        lines.append(f"- Significantly above the ceiling: {', '.join(over) if over else 'none'}.")
    test = (
        "Which order is significant (paired jackknife over shared oracles, 95% each, no correction for their number):"
    )
    return "\n".join([test, "", *lines])


def _is_above(score: Score, other: Score) -> bool:
    difference = paired_difference(score, other)
    return difference.significant and difference.difference > 0


def require_block(path: Path) -> None:
    """Raise ResultsBlockMissing unless the two comments are in `path`, once and in order; call it before the work."""
    content = path.read_text(encoding="utf-8")
    if content.count(START) != 1 or content.count(END) != 1 or content.index(START) > content.index(END):
        raise ResultsBlockMissing(f"{path} needs the lines {START!r} and {END!r}, once and in this order")


def write_block(path: Path, text: str) -> None:
    """Write `text` between the two comments in `path`; raises ResultsBlockMissing as `require_block` does."""
    require_block(path)
    before, rest = path.read_text(encoding="utf-8").split(START)
    path.write_text(f"{before}{START}\n{text.strip()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _measure_names(rows: Sequence[Row]) -> list[str]:
    """The names of all values that some row has, in the registry's order."""
    known = {name for row in rows for name in row.measures}
    return [name for one in measures().values() for name in one.keys if name in known]


def _csv_values(value: Value | None) -> list[float | str]:
    numbers = (None, None, None) if value is None else (value.value, value.low, value.high)
    return ["" if number is None else round(number, 6) for number in numbers]
