"""The tables of an archive as CSV: submissions, runs, measures and teams. Titles have the units."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lethe.evaluator.artifacts.outputs import StackedOutputs
from lethe.evaluator.measures.measurements import from_document
from lethe.evaluator.measures.registry import measures
from lethe.server.http.csv_table import csv_table

ACCURACIES = {"forget": "UA (%)", "retain": "RA (%)", "test": "TA (%)"}
COLUMNS = (
    *("submission", "team", "filename", "evaluation", "state", "fault", "created_at", "finished_at"),
    *("final_score", "interval_low", "interval_high", "forgetting_quality", "retain_ratio", "test_ratio"),
    *("method", "link", "licence", "stopped_after", "look_difference", "look_standard_error"),
)
SCORE_COLUMNS = COLUMNS[8:14]
MEASURE_COLUMNS = ("submission", "team", "measure", "value", "low", "high", "unit", "question")
RUN_COLUMNS = (
    *("submission", "team", "evaluation", "run", "seed", *ACCURACIES.values(), "validation accuracy (%)"),
    *("wall time (s)", "processor time (s)", "peak memory (MiB)", "peak GPU memory (MiB)"),
)
TEAM_COLUMNS = ("team", "member", "baseline", "disqualified")
_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """One run of a score's generation: its seed, and the record of what it used."""

    index: int
    seed: int
    record: dict[str, Any]
    part: int = 0


def submissions_table(submissions: Iterable[dict[str, Any]], outputs: Mapping[str, Mapping[str, float]]) -> str:
    """One line for each submission, with UA, RA and TA of its runs: `outputs` has mean accuracies by id and part."""
    rows = ([*_submission_row(facts), *_percent(outputs.get(facts["id"], {}))] for facts in submissions)
    return csv_table((*COLUMNS, *ACCURACIES.values()), rows)


def mean_accuracies(outputs: StackedOutputs) -> dict[str, float]:
    """Return the mean accuracy of the runs by part."""
    return {part: float(outputs.accuracy[part].mean()) for part in ACCURACIES}


def _percent(accuracies: Mapping[str, float]) -> list[float | None]:
    return [100 * accuracies[part] if part in accuracies else None for part in ACCURACIES]


def _submission_row(facts: dict[str, Any]) -> list[Any]:
    row: dict[str, Any] = {column: facts.get(column) for column in COLUMNS} | {"submission": facts["id"]}
    score = facts["score"]
    if score is not None:
        low, high = score["interval"]
        row |= {column: score.get(column) for column in SCORE_COLUMNS} | {"interval_low": low, "interval_high": high}
    return [row[column] for column in COLUMNS]


def measures_table(submissions: Iterable[dict[str, Any]], references: dict[str, Any]) -> str:
    """One line for each value of each submission's score, and of ceilings and floors."""
    scores = [(facts["id"], facts["team"], facts["score"]) for facts in submissions if facts["score"]]
    scores += [("", name, score) for name, score in references.items()]
    return csv_table(
        MEASURE_COLUMNS,
        (
            [identifier, team, key, value.value, value.low, value.high, one.unit, one.question]
            for identifier, team, score in scores
            for name, found in from_document(score["measures"]).measures.items()
            for one in [measures().get(name)]
            if one is not None  # of an older version
            for key, value in found.values.items()
        ),
    )


def run_rows(facts: dict[str, Any], runs: Sequence[Run], outputs: StackedOutputs) -> Iterator[list[Any]]:
    """Yield a line of the runs' table for each run, whose outputs are in the order of the runs."""
    for place, run in enumerate(runs):
        accuracies = [100 * float(outputs.accuracy[part][place]) for part in (*ACCURACIES, "validation")]
        memory = [run.record.get(name) for name in ("peak_memory_bytes", "gpu_memory_bytes")]
        yield [
            *(facts["id"], facts["team"], facts["evaluation"], run.index, run.seed, *accuracies),
            *(run.record.get(name) for name in ("wall_s", "processor_s")),
            *(None if size is None else size / _MIB for size in memory),
        ]


def runs_table(rows: Iterable[list[Any]]) -> str:
    """One line for each run of each scored submission."""
    return csv_table(RUN_COLUMNS, rows)


def teams_table(teams: Iterable[dict[str, Any]]) -> str:
    """One line for each member of each team."""
    return csv_table(
        TEAM_COLUMNS,
        ([one["name"], member, one["baseline"], one["disqualified"]] for one in teams for member in one["members"]),
    )
