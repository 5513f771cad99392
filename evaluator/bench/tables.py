"""The results of a sweep as CSV, Markdown and LaTeX, and as the list that says which order is significant."""

import csv
import io
from collections.abc import Sequence
from math import floor, log10
from pathlib import Path

from lethe.evaluator.bench.rows import Against, Row
from lethe.evaluator.errors import EvaluatorError
from lethe.evaluator.measures.registry import Value, measure_of, measures
from lethe.evaluator.metrics import Score, paired_difference

START, END = "<!-- results: start -->", "<!-- results: end -->"
SHORT = ("forgetting_quality", "final_score", "forget_accuracy", "retain_accuracy", "test_accuracy", "wall_time")
_TITLES = {"final_score": "final score", "wall_time": "seconds"}
_SIGNIFICANT = 3
COMPARED = ("reference", *(f"difference{end}" for end in ("", " low", " high", " se")), "p", "p holm")
MIB = 2**20
_LATEX = {one: rf"\{one}" for one in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "[": "{[}",  # after the end of a line it would be a length
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


class ResultsBlockMissing(EvaluatorError, ValueError):
    """A file lacks the two comments that the table goes between."""


def csv_table(rows: Sequence[Row]) -> str:
    """One line a row, with value, low, high and standard error of each measure in columns of their own.

    Then its difference to the reference, and the p-values of that.
    """
    names = _measure_names(rows)
    ends = [f"{name} {end}".strip() for name in names for end in ("", "low", "high", "se")]
    lines: list[list[object]] = [["method", "constants", "runs", *ends, *COMPARED, "fault"]]
    for row in rows:
        values = [value for name in names for value in _csv_values(row.measures.get(name))]
        lines.append([row.name, _constants(row), row.runs, *values, *_csv_comparison(row.against), row.fault])
    return _csv(lines)


def runs_table(rows: Sequence[Row]) -> str:
    """One line a run of each method, with its seed, its accuracies, and what it used where that is known."""
    parts = sorted({part for row in rows for one in row.each for part in one.accuracies})
    used = ("wall time (s)", "processor time (s)", "peak memory (MiB)", "peak GPU memory (MiB)")
    lines: list[list[object]] = [
        ["method", "constants", "run", "seed", *(f"{part} accuracy (%)" for part in parts), *used]
    ]
    for row in rows:
        for one in row.each:
            accuracies = [_rounded(100 * one.accuracies[part]) for part in parts]
            memory = [None if size is None else size / MIB for size in (one.peak_memory_bytes, one.gpu_memory_bytes)]
            resources = [_rounded(number) for number in (one.wall_s, one.processor_s, *memory)]
            lines.append([row.name, _constants(row), one.index, one.seed, *accuracies, *resources])
    return _csv(lines)


def comparison_table(rows: Sequence[Row]) -> str:
    """A Markdown table of differences to the reference with their p-values; empty where nothing was compared."""
    compared = [(row, row.against) for row in rows if row.against is not None]
    if not compared:
        return ""
    lines = ["| method | difference of final scores | standard error | p | p, Holm |", "|---|---:|---:|---:|---:|"]
    for row, one in compared:
        title = f"*{row.name}*" if row.is_reference else row.name
        value = format_value(Value(one.difference, *one.interval))
        tested = "" if row.is_reference else format_p(one.adjusted_p_value)
        lines.append(f"| {title} | {value} | {_short(one.standard_error)} | {format_p(one.p_value)} | {tested} |")
    return "\n".join(lines) + "\n"


def format_p(p_value: float) -> str:
    """`0.031`, `<0.001`."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


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


def latex_tables(rows: Sequence[Row]) -> str:
    """The short table and one for each question, as LaTeX for the package booktabs, each below a comment."""
    tables = {"The short table": SHORT} | _by_question(rows)
    texts = [f"% {title}\n{latex_table(rows, names)}" for title, names in tables.items()]
    return "\n".join(["% needs \\usepackage{booktabs}; brackets are 95% intervals", *texts])


def latex_table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """A `tabular` of these measures: value with its 95% interval, references in italics, a fault across its line."""
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
        r"\toprule",
        _latex_line(["method", *(column_title(name) for name in names)]),
        r"\midrule",
    ]
    for row in rows:
        title = rf"\emph{{{_latex(row.name)}}}" if row.is_reference else _latex(row.name)
        if row.score is None:
            lines.append(rf"{title} & \multicolumn{{{len(names)}}}{{l}}{{{_latex(row.fault)}}} \\")
        else:
            cells = [_latex_value(row.measures.get(name)) for name in names]
            lines.append(" & ".join([title, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(map(_latex, texts)) + r" \\"


def _latex_value(value: Value | None) -> str:
    if value is None:
        return ""
    ends = "" if value.low is None or value.high is None else f" [{_short(value.low)}, {_short(value.high)}]"
    return _short(value.value) + ends


def _latex(text: str) -> str:
    """The text with what means something to LaTeX escaped, on one line."""
    return "".join(_LATEX.get(one, one) for one in " ".join(text.split()))


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
    """Which methods differ significantly from the reference, as a Markdown list; empty where nothing was compared."""
    compared = [(row.name, row.against) for row in rows if row.against is not None and not row.is_reference]
    reference = next((row.against.reference for row in rows if row.against is not None), None)
    if reference is None:
        return ""
    groups = {
        "Significantly above": [name for name, one in compared if one.is_significant and one.difference > 0],
        "Significantly below": [name for name, one in compared if one.is_significant and one.difference < 0],
        "Not to be told apart from": [name for name, one in compared if not one.is_significant],
    }
    lines = [f"- {title} `{reference}`: {', '.join(names) if names else 'none'}." for title, names in groups.items()]
    ceiling = next((row.score for row in rows if row.name == "ceiling"), None)
    if ceiling is not None and reference != "ceiling":
        over = [
            row.name for row in rows if row.score is not None and not row.is_reference and _is_above(row.score, ceiling)
        ]
        lines.append(f"- Significantly above the ceiling: {', '.join(over) if over else 'none'}.")
    test = (
        "Which order is significant (paired jackknife over shared oracles, 5% for all methods together by Holm's "
        "correction; the ceiling's comparisons have none):"
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
    numbers = (None, None, None, None) if value is None else (value.value, value.low, value.high, value.error)
    return [_rounded(number) for number in numbers]


def _csv_comparison(found: Against | None) -> list[float | str]:
    if found is None:
        return [""] * len(COMPARED)
    numbers = (found.difference, *found.interval, found.standard_error)
    p_values = (float(f"{p_value:.4g}") for p_value in (found.p_value, found.adjusted_p_value))
    return [found.reference, *(_rounded(number) for number in numbers), *p_values]


def _rounded(number: float | None) -> float | str:
    return "" if number is None else round(number, 6)


def _constants(row: Row) -> str:
    return "; ".join(f"{name}={value}" for name, value in row.constants.items())


def _csv(lines: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(lines)
    return stream.getvalue()
