"""What was found about each measure, as rows, as Markdown and as CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.knowledge.judging import Draws, auc, direction, fires, tells
from benchmarks.knowledge.levels import Level
from benchmarks.knowledge.readings import Table
from lethe.evaluator.bench.tables import format_value
from lethe.evaluator.measures.registry import Value, measure_of, measures
from lethe.evaluator.metrics import Rule

VERDICT = 0.25
"""The share of the forget set that a measure should tell from none."""


@dataclass(frozen=True)
class Row:
    """A value of a measure, under a rule if it depends on that, with the areas of the levels that know something."""

    key: str
    rule: str
    areas: tuple[Value, ...]

    @property
    def name(self) -> str:
        return f"`{self.key}`{f' ({self.rule})' if self.rule else ''}"


@dataclass(frozen=True)
class Findings:
    """All rows of a data set; `absent` says of the other measures why they are not judged. `title` is a line about the
    set; the first level knows nothing, and rows have an area for each of the others.
    """

    data: str
    title: str
    models: int
    levels: Sequence[Level]
    rows: list[Row] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def judge(found: Findings, tables: Mapping[Rule, Table], of_the_rule: Sequence[str], draws: Draws) -> None:
    """Fill in the findings; `of_the_rule` names the measures that both tables have."""
    for name, measure in measures().items():
        rules = [rule for rule in tables if name in of_the_rule or rule == next(iter(tables))]
        for rule in rules:
            table = tables[rule]
            if name in table.absent or measure.best == "none":
                found.absent[name] = table.absent.get(name, "no value is best")
                continue
            for key in measure.keys:
                sign = direction(measure, table.oracles[key], table.untouched[key])
                ignorant, *others = (sign * level[key] for level in table.levels)
                areas = tuple(auc(knowing, ignorant, draws) for knowing in others)
                found.rows.append(Row(key, rule if name in of_the_rule else "", areas))


def markdown(found: Findings) -> str:
    """A section: who cannot tell, who fires without knowledge, and the table."""
    titles = [level.title for level in found.levels[1:]]
    lines = [f"### {found.data}", "", found.title, ""]
    for place, level in enumerate(found.levels[1:]):
        if level.kind == "control":
            names = _names(found.rows, place, fires)
            lines.append(f"- React to networks that know {level.title}: {names}.")
        elif level.share == VERDICT:
            names = _names(found.rows, place, lambda area: not tells(area))
            lines.append(f"- Cannot tell {level.title} from 0 at N = {found.models}: {names}.")
    for reason in dict.fromkeys(found.absent.values()):
        names = ", ".join(f"`{name}`" for name in found.absent if found.absent[name] == reason)
        lines.append(f"- Not judged, because {reason}: {names}.")
    lines += ["", f"| measure | {' | '.join(titles)} |", f"|---|{'---:|' * len(titles)}"]
    lines += [f"| {row.name} | {' | '.join(map(format_value, row.areas))} |" for row in found.rows]
    return "\n".join(lines) + "\n"


def csv_table(all_found: Sequence[Findings]) -> str:
    """One line for each data set, value and level."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["data", "measure", "rule", "level", "auc", "low", "high"])
    for found in all_found:
        for row in found.rows:
            for level, area in zip(found.levels[1:], row.areas, strict=True):
                ends = ("" if end is None else round(end, 6) for end in (area.low, area.high))
                writer.writerow([found.data, row.key, row.rule, level.title, round(area.value, 6), *ends])
    return stream.getvalue()


def _names(rows: Sequence[Row], place: int, holds: Callable[[Value], bool]) -> str:
    """The rows for whose area this holds; a measure by its name where it holds for all of its values under a rule."""
    of_measures: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        of_measures.setdefault((measure_of(row.key).name, row.rule), []).append(row)
    names: list[str] = []
    for (name, rule), mine in of_measures.items():
        holding = [row for row in mine if holds(row.areas[place])]
        names += [Row(name, rule, ()).name] if len(holding) == len(mine) else [row.name for row in holding]
    return ", ".join(names) or "none"
