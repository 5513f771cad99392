"""What benchmarks find against their goals. `python -m benchmarks` shows all of it in one table at its end."""

import json
import operator
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "BENCHMARK_FINDINGS"
"""The variable that names the file for findings; unset where a benchmark runs by itself."""


@dataclass(frozen=True)
class Finding:
    """A figure with its goal, if it has one: `value` must be at most or at least that."""

    benchmark: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    bound: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing without a goal."""
        if self.goal is None:
            return ""
        holds = operator.le if self.bound == "at most" else operator.ge
        return "met" if holds(self.value, self.goal) else "missed"


def note(
    benchmark: str,
    name: str,
    value: float,
    unit: str = "times",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> None:
    """Write a figure for the table at the end; it does nothing where a benchmark runs by itself."""
    file = os.environ.get(FILE)
    if file is None:
        return
    bound = "at most" if at_most is not None else "at least" if at_least is not None else ""
    found = Finding(benchmark, name, value, unit, at_most if at_most is not None else at_least, bound)
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(found)) + "\n")


def read_findings(file: Path) -> list[Finding]:
    """Return the figures in the order in which they were found."""
    return [Finding(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
