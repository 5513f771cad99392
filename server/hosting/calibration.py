"""Calibrate a competition: score ceiling and floor of each split whose bank is full, and store them for the boards."""

from typing import Any

import numpy as np

from lethe.evaluator.artifacts import ArtifactStore
from lethe.evaluator.artifacts.oracles import read_record, trained_indices
from lethe.evaluator.contract.oracle_pools import oracle_pools
from lethe.evaluator.contract.prepared_competition import PreparedSplit
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import OF_THE_COMPETITION, Evaluation
from lethe.evaluator.metrics import METRIC_VERSION, Score
from lethe.evaluator.scoring.reference_set import load_reference_set
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import get_competition, prepared_competition, specification
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.hosting.queries import delete_reference_scores
from lethe.server.leaderboard.standings import mark_board_changed
from lethe.server.scoring.scorer import score_row


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

    They become reference rows of the boards of both evaluations. Raises NotSeeded when public oracles are missing.
    """
    with context.database.read() as session:
        competition = get_competition(session, slug, drafts=True)
    spec, prepared = specification(competition), prepared_competition(competition)
    require_seeded(context.artifacts, spec, prepared.public)
    rows = []
    for evaluation in OF_THE_COMPETITION:
        against = oracle_pools(spec, prepared, evaluation)
        if missing_oracles(context.artifacts, spec, against.split):
            continue
        reference_set = load_reference_set(context.artifacts, spec.metric, against)
        scores = {"ceiling": reference_set.ceiling, "floor": reference_set.floor(spec.evaluation.runs)}
        receipt: dict[str, object] = {"bank_digest": against.split.bank_digest, "metric_version": METRIC_VERSION}
        if reference_set.imported:
            receipt["imported_oracles"] = reference_set.imported
        _store_references(context, slug, evaluation, scores, receipt)
        if evaluation not in prepared.splits:
            continue  # the public split again, with the two pools exchanged
        digest = against.split.bank_digest
        records = [read_record(context.artifacts, digest, index) for index in range(wanted_oracles(spec))]
        retrain_s = float(np.mean([one.wall_s for one in records]))
        rows += [
            {
                "split": evaluation.value,
                "reference": reference,
                "score": score.final_score,
                "low": score.interval[0],
                "high": score.interval[1],
                "forgetting_quality": score.forgetting_quality,
                "retrain_s": retrain_s,
                "estimated_s": prepared.splits[evaluation].figures.retrain_wall_s,
            }
            for reference, score in scores.items()
        ]
    return rows


def _store_references(
    context: Context, slug: str, evaluation: Evaluation, scores: dict[str, Score], receipt: dict[str, object]
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
