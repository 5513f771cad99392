"""Which score is measured next, and measuring it: a job that a process without a database can do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.audits import load_audits
from lethe.evaluator.contract.oracle_pools import OraclePools, oracle_pools
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.measures.inputs import MeasureInputs
from lethe.evaluator.measures.measurements import Measurements, as_document, measure_inputs
from lethe.evaluator.measures.registry import MEASURES_VERSION, measure_of
from lethe.evaluator.metrics.pool import Floats
from lethe.evaluator.scoring.measuring import MeasuringSet
from lethe.server.competitions.service import prepared_competition, specification
from lethe.server.leaderboard.measures import column_values, unknown_columns
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.models import Competition, Score, Submission
from lethe.server.scoring import queries
from lethe.server.scoring.stored_outputs import RunOutputs, read_runs, run_outputs

NOTHING = as_document(Measurements(MEASURES_VERSION, {}))
RESOURCES = ("wall_s", "processor_s", "peak_memory_bytes", "gpu_memory_bytes")


@dataclass(frozen=True)
class MeasuringJob:
    """A score and the measures wanted of it, None: all. `outputs` is None for ceiling and floor.

    `columns`: the values that the board shows. `then_all`: when these are stored, all others are to follow.
    """

    score_id: UUID
    competition_id: UUID
    final_score: float
    receipt: dict[str, Any]
    reference: str | None
    spec: CompetitionSpec
    against: OraclePools
    outputs: RunOutputs | None
    resources: dict[str, tuple[float, ...]]
    names: tuple[str, ...] | None
    columns: tuple[str, ...]
    then_all: bool = False


def next_job(session: Session) -> MeasuringJob | None:
    """Return the next job, or None: columns of boards come first, then what is computed of every score or was asked."""
    score: Score | None = queries.unmeasured_score.entities(session).scalar_one_or_none()
    if score is None:
        return None
    competition = session.get_one(Competition, score.competition_id)
    spec = specification(competition)
    submission = None if score.submission_id is None else session.get_one(Submission, score.submission_id)
    unknown = unknown_columns(spec.measures.columns)  # those that an upgrade has renamed
    is_benchmark = score.evaluation == Evaluation.BENCHMARK  # its board shows none
    columns = () if is_benchmark else tuple(key for key in spec.measures.columns if key not in unknown)
    of_columns = tuple(dict.fromkeys(measure_of(key).name for key in columns))
    wants_all = score.measures_asked or spec.measures.always
    is_first = score.measures is None
    return MeasuringJob(
        score_id=score.id,
        competition_id=score.competition_id,
        columns=columns,
        final_score=score.final_score,
        receipt=score.receipt,
        reference=score.reference,
        spec=spec,
        against=oracle_pools(spec, prepared_competition(competition), Evaluation(score.evaluation)),
        outputs=None if submission is None else run_outputs(session, submission),
        resources={} if submission is None else _resources(session, submission),
        names=of_columns if is_first and (of_columns or not wants_all) else None,
        then_all=is_first and bool(of_columns) and wants_all,
    )


def _resources(session: Session, submission: Submission) -> dict[str, tuple[float, ...]]:
    """Return what each run of the first part used, by name; without what some run's worker did not measure."""
    items = [item for item in queries.run_items(session, submission) if item.part == 0]
    records = [record for item in items for record in item.finished.values()]
    found = {name: tuple(record.get(name) for record in records) for name in RESOURCES}
    return {name: values for name, values in found.items() if values and None not in values}


def measure_score(artifacts: ArtifactStore, job: MeasuringJob, measuring_set: MeasuringSet) -> dict[str, Any]:
    """Return the measurements of the job as a document. Raises as `read_runs` and the artifact store do."""
    return as_document(measure_inputs(_inputs(artifacts, job, measuring_set), job.names))


def _inputs(artifacts: ArtifactStore, job: MeasuringJob, measuring_set: MeasuringSet) -> MeasureInputs:
    of_runs = () if job.outputs is None else job.outputs.audits
    audits = load_audits(artifacts, job.spec, job.against.split, of_runs)
    if job.outputs is not None:
        resources: dict[str, Floats] = {name: np.array(values, float) for name, values in job.resources.items()}
        return measuring_set.inputs(read_runs(artifacts, job.outputs), resources, audits.runs)
    if job.reference == "ceiling":
        return measuring_set.second_pool(audits.oracles)
    return measuring_set.untouched(job.spec.evaluation.runs, audits.original)


def store(session: Session, job: MeasuringJob, document: dict[str, Any] | None) -> None:
    """Store the document of a job, with the values of the board's columns, unless the score has changed since.

    Without one, because nobody wants measures or they could not be computed, what is stored already stays.
    """
    score = session.get(Score, job.score_id, with_for_update=True)
    if score is None or (score.final_score, score.receipt) != (job.final_score, job.receipt):
        return
    is_whole = job.names is None
    score.measures_asked = not is_whole and (score.measures_asked or job.then_all)
    if document is None:
        score.measures = score.measures or NOTHING
        return
    score.measures = document
    score.shown_measures = column_values(document, job.columns)
    if score.shown_measures:
        mark_board_changed(session, job.competition_id)
