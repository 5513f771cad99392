"""What a comparison gives: a row for each method and reference, with what each of its runs did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lethe.evaluator.bench.sweep import Constant
from lethe.evaluator.measures.registry import Value
from lethe.evaluator.metrics import Score


@dataclass(frozen=True)
class Run:
    """One run of a method: accuracies in [0, 1] by part, seconds, and peak memory, None where nobody measured it."""

    index: int
    seed: int
    accuracies: Mapping[str, float]
    wall_s: float
    processor_s: float | None
    peak_memory_bytes: int | None
    gpu_memory_bytes: int | None


@dataclass(frozen=True)
class Against:
    """The final score minus that of the method `reference`, paired over the oracles that both are scored against.

    `p_value` is two-sided, of a t test; `adjusted_p_value` has Holm's correction for all methods that are compared.
    """

    reference: str
    difference: float
    standard_error: float
    interval: tuple[float, float]
    p_value: float
    adjusted_p_value: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant at 5% among all that are compared."""
        return self.adjusted_p_value < 0.05


@dataclass(frozen=True, eq=False)
class Row:
    """One line: a method or a reference (`ceiling`, `floor`) with the values of its measures, or its fault.

    `key` is a digest of all that decides its values; empty for a fault. `against` is None for the method that the
    others are compared with, and for faults. `utility` is None for faults.
    """

    name: str
    constants: dict[str, Constant]
    runs: int
    measures: dict[str, Value]
    score: Score | None
    fault: str = ""
    is_reference: bool = False
    key: str = ""
    each: tuple[Run, ...] = ()
    against: Against | None = None
    utility: Value | None = None


def sort_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows from the best final score to the worst; failed ones come last."""
    return sorted(rows, key=lambda row: -1.0 if row.score is None else row.score.final_score, reverse=True)
