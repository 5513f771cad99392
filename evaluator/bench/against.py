"""Which methods differ from a named one: paired differences, their p-values, and Holm's correction for several."""

from collections.abc import Sequence
from dataclasses import replace

from lethe.evaluator.bench.rows import Against, Row
from lethe.evaluator.bench.sweep import SweepError
from lethe.evaluator.metrics import Score, paired_difference
from lethe.evaluator.metrics.comparison import holm, p_value

PLAIN = "finetune"
"""What methods are compared with, where the sweep has it and names nothing else."""


def reference_of(named: str | None, methods: Sequence[str]) -> str | None:
    """Return the row that the others are compared with, or None; raises SweepError for a name that there is not."""
    if named is None:
        return PLAIN if PLAIN in methods else None
    known = [*methods, "ceiling", "floor"]
    if named not in known:
        raise SweepError(f"there is no method {named!r} to compare with; there are: {'; '.join(known)}")
    return named


def with_comparisons(rows: Sequence[Row], reference: str | None) -> list[Row]:
    """Return the rows, each compared with the row `reference`; without comparisons where that one has no score."""
    other = next((row.score for row in rows if row.name == reference), None)
    if other is None or reference is None:
        return list(rows)
    compared = [row for row in rows if row.score is not None and row.name != reference]
    found = dict(zip((row.name for row in compared), _compare(compared, other, reference), strict=True))
    return [replace(row, against=found.get(row.name)) for row in rows]


def _compare(rows: Sequence[Row], other: Score, reference: str) -> list[Against]:
    """Return the comparisons. p-values of methods are corrected among themselves; ceiling and floor are not tested."""
    differences = [paired_difference(row.score, other) for row in rows if row.score is not None]
    p_values = [p_value(one, len(other.replicates) - 1) for one in differences]
    tested = [place for place, row in enumerate(rows) if not row.is_reference]
    adjusted = dict(zip(tested, holm([p_values[place] for place in tested]), strict=True))
    return [
        Against(reference, one.difference, one.standard_error, one.interval, p, adjusted.get(place, p))
        for place, (one, p) in enumerate(zip(differences, p_values, strict=True))
    ]
