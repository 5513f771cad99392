"""Calibrate a competition: score ceiling and floor of each split whose bank is full, and store them for the boards."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record, trained_indices
from lethe.evaluator.contract.parts import PartPools, part_pools
from lethe.evaluator.contract.prepared_competition import PreparedCompetition, PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import OF_THE_COMPETITION, Evaluation
from lethe.evaluator.metrics import METRIC_VERSION, CeilingZero
from lethe.evaluator.scoring.parts import breakdown, require_ceilings
from lethe.evaluator.scoring.reference_set import load_reference_set
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.hosting.queries import delete_reference_scores
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.scoring.recompute import References, reference_score
from lethe.server.scoring.scorer import MetricScore, count_imported, parts_receipt, score_row


class CeilingTooLow(Conflict):
    """The ceiling of a task may be zero, so that its scores cannot be normalised."""

    code = "ceiling_too_low"


class NotSeeded(Conflict):
    """The bank lacks oracles."""

    code = "oracles_missing"


def wanted_oracles(spec: CompetitionSpec) -> int:
    """Return how many oracles a bank needs: those to score against, and the others for the ceiling."""
    return spec.evaluation.oracles + spec.evaluation.ceiling_oracles


def require_seeded(artifacts: ArtifactStore, spec: CompetitionSpec, split: PreparedSplit) -> None:
    """Raise NotSeeded while the bank of the split lacks oracles."""
    missing = missing_oracles(artifacts, spec, split)
    if missing:
        raise NotSeeded(
            f"{missing} of {wanted_oracles(spec)} oracles are missing. Run: lethe admin oracles seed {spec.slug}"
        )


def missing_oracles(artifacts: ArtifactStore, spec: CompetitionSpec, split: PreparedSplit) -> int:
    """Return how many oracles the bank of the split lacks."""
    return int((~np.isin(np.arange(wanted_oracles(spec)), trained_indices(artifacts, split.bank_digest))).sum())


def calibrate(context: Context, slug: str) -> list[dict[str, Any]]:
    """Store and return ceiling and floor of each split whose bank is full, with the mean seconds of training an oracle.

    They become reference rows of the boards of both evaluations; with tasks each of these has its own numbers, too.
    Raises NotSeeded when public oracles are missing, and CeilingTooLow, which names the task, where scores cannot be
    divided by a ceiling.
    """
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
    spec, prepared = specification(competition), prepared_competition(competition)
    require_all_seeded(context.artifacts, spec, prepared, Evaluation.PUBLIC)
    rows = []
    for evaluation in OF_THE_COMPETITION:
        pools = part_pools(spec, prepared, evaluation)
        if any(missing_oracles(context.artifacts, spec, one.against.split) for one in pools):
            continue
        references = load_references(context.artifacts, spec, pools)
        scores = {name: reference_score(spec, spec.metric, name, references) for name in ("ceiling", "floor")}
        digest = pools[0].against.split.bank_digest
        receipt: dict[str, object] = {"bank_digest": digest, "metric_version": METRIC_VERSION}
        if imported := count_imported(pools, [reference_set for _, reference_set in references]):
            receipt["imported_oracles"] = imported
        _store_references(context, slug, evaluation, scores, receipt | parts_receipt(spec, pools))
        if evaluation not in prepared.splits:
            continue  # the public split again, with the two pools exchanged
        times = _training_times(context.artifacts, spec, pools)
        rows += [
            {
                "split": evaluation.value,
                "reference": reference,
                "score": score.final_score,
                "low": score.interval[0],
                "high": score.interval[1],
                "forgetting_quality": score.forgetting_quality,
                **times,
                **_of_tasks(score),
            }
            for reference, score in scores.items()
        ]
    return rows


def load_references(artifacts: ArtifactStore, spec: CompetitionSpec, pools: Sequence[PartPools]) -> References:
    """Load what each part is scored against; raises CeilingTooLow, which names the task."""
    references = [(one.part, load_reference_set(artifacts, spec.metric, one.against)) for one in pools]
    try:
        require_ceilings(spec, references)
    except CeilingZero as error:
        raise CeilingTooLow(f"{error}.") from error
    return references


def require_all_seeded(
    artifacts: ArtifactStore, spec: CompetitionSpec, prepared: PreparedCompetition, evaluation: Evaluation
) -> None:
    """Raise NotSeeded while the bank of some task of the evaluation lacks oracles."""
    for one in part_pools(spec, prepared, evaluation):
        require_seeded(artifacts, spec, one.against.split)


def require_ready(
    artifacts: ArtifactStore, spec: CompetitionSpec, prepared: PreparedCompetition, evaluation: Evaluation
) -> None:
    """Raise NotSeeded, or CeilingTooLow where scores of a task could not be divided by its ceiling."""
    require_all_seeded(artifacts, spec, prepared, evaluation)
    if spec.tasks:
        load_references(artifacts, spec, part_pools(spec, prepared, evaluation))


def _training_times(artifacts: ArtifactStore, spec: CompetitionSpec, pools: Sequence[PartPools]) -> dict[str, float]:
    """Return the mean seconds of training a model, over all tasks, and what was expected at the creation."""
    splits = {one.against.split.bank_digest: one.against.split for one in pools}
    records = [read_record(artifacts, bank, index) for bank in splits for index in range(wanted_oracles(spec))]
    return {
        "retrain_s": float(np.mean([one.wall_s for one in records])),
        "estimated_s": float(np.mean([one.figures.retrain_wall_s for one in splits.values()])),
    }


def _of_tasks(score: MetricScore) -> dict[str, Any]:
    """Return what a reference row has of each task; nothing without tasks."""
    found = breakdown(score)
    return {} if found is None or not found["tasks"] else {"tasks": found["tasks"]}


def _store_references(
    context: Context, slug: str, evaluation: Evaluation, scores: dict[str, MetricScore], receipt: dict[str, object]
) -> None:
    with context.database.write() as session:
        competition = get_competition(session, slug, drafts=True)
        delete_reference_scores(session, competition, evaluation)
        for name, score in scores.items():
            row = score_row(competition.id, score, dict(receipt))
            row.reference, row.evaluation = name, evaluation
            session.add(row)
        mark_board_changed(session, competition.id)
        record(session, "competition.calibrate", slug, competition=competition, evaluation=evaluation)
