"""Computes scores from stored outputs: nothing is run again, and the same outputs give the same score."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from obstore.exceptions import BaseError
from safetensors.numpy import load
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from evaluator.artifacts import ArtifactError, ArtifactStore
from evaluator.artifacts.oracles import load_pool
from evaluator.artifacts.outputs import OutputsInvalid, StackedOutputs, read_outputs, stack_outputs
from evaluator.contract.dossier import ArtifactRef, Dossier
from evaluator.contract.faults import platform_fault
from evaluator.contract.specification import CompetitionSpec
from evaluator.contract.states import Stage, SubmissionState, WorkState
from evaluator.metrics import METRIC_VERSION, Pool, Score, evaluate, margins
from server import models
from server.competitions.service import dossier, specification
from server.context import Context
from server.db import utc_now
from server.leaderboard.service import refresh
from server.logs import get_logger
from server.models import Competition, Submission, WorkItem
from server.submissions.service import end
from server.work.service import fail, finish_item, lease_item, next_item

log = get_logger(__name__)

SCORE_LEASE_S = 900.0
RETRY_S = 10.0


@dataclass(frozen=True)
class Order:
    """A leased score item with everything that computing needs, detached from the database."""

    work_id: UUID
    token: int
    spec: CompetitionSpec
    prepared: Dossier
    outputs: tuple[ArtifactRef, ...]


@dataclass(frozen=True)
class Truth:
    """Labels and persons of the forget examples, (E,) each."""

    labels: NDArray[np.int64]
    person_id: NDArray[np.int64]


def score_next(context: Context, holder: str) -> bool:
    """Score the submission that has waited longest; False when none waits."""
    with context.database.write() as session:
        item = next_item(session, (Stage.SCORE,))
        if item is None:
            return False
        lease_item(item, worker=holder, lease_s=SCORE_LEASE_S)
        order = _order(session, item)
    try:
        score = score_outputs(context.artifacts, order.spec, order.prepared, order.outputs)
    except (ArtifactError, OutputsInvalid, BaseError, OSError, ValueError) as error:
        _give_up(context, order, f"{type(error).__name__}: {error}")
        return True
    _store(context, order, score)
    return True


def _order(session: Session, item: WorkItem) -> Order:
    submission = session.get_one(Submission, item.submission_id)
    competition = session.get_one(Competition, submission.competition_id)
    return Order(
        work_id=item.id,
        token=item.token,
        spec=specification(competition),
        prepared=dossier(competition),
        outputs=tuple(run_outputs(session, submission)),
    )


def run_outputs(session: Session, submission: Submission) -> Iterable[ArtifactRef]:
    """The stored outputs of the submission's runs, by run index; raises ValueError when one is missing."""
    records: dict[int, ArtifactRef] = {}
    for item in run_items(session, submission):
        for index, record in item.finished.items():
            records[int(index)] = ArtifactRef.model_validate(record["outputs"])
    missing = sorted(set(range(submission.runs_total)) - set(records))
    if missing:
        raise ValueError(f"runs {missing[:5]} of submission {submission.id} are not stored")
    return (records[index] for index in range(submission.runs_total))


def run_items(session: Session, submission: Submission) -> list[WorkItem]:
    """The run chunks of the submission's current generation."""
    return list(
        session.scalars(
            select(WorkItem)
            .where(
                WorkItem.submission_id == submission.id,
                WorkItem.generation == submission.generation,
                WorkItem.stage == Stage.RUN,
            )
            .order_by(WorkItem.chunk)
        )
    )


def score_outputs(
    artifacts: ArtifactStore, spec: CompetitionSpec, prepared: Dossier, outputs: Iterable[ArtifactRef]
) -> Score:
    """The score of stored runs against the first pool of the competition's oracles."""
    stacked = stack_outputs([read_outputs(artifacts.get(ref)) for ref in outputs])
    return score_stacked(artifacts, spec, prepared, stacked)


def score_stacked(artifacts: ArtifactStore, spec: CompetitionSpec, prepared: Dossier, stacked: StackedOutputs) -> Score:
    """The score of N models' outputs, whatever made them."""
    truth = load_truth(artifacts, prepared)
    oracles = load_pool(artifacts, prepared.bank_digest, range(spec.evaluation.oracles))
    return evaluate(
        pool(stacked, truth),
        pool(oracles, truth),
        rule=spec.metric.rule,
        cap_ratios=spec.metric.cap_ratios,
        identities=truth.person_id,
    )


def load_truth(artifacts: ArtifactStore, prepared: Dossier) -> Truth:
    """What the forget examples really are; read on the trusted side only."""
    arrays = load(artifacts.get(prepared.evaluation))
    return Truth(labels=arrays["forget.labels"], person_id=arrays["forget.person_id"])


def pool(stacked: StackedOutputs, truth: Truth) -> Pool:
    """Margins on the forget examples and the two accuracies of the final score."""
    return Pool(
        margins=margins(stacked.logits["forget"], truth.labels),
        retain_accuracy=stacked.accuracy["retain"],
        test_accuracy=stacked.accuracy["test"],
    )


def score_row(competition_id: UUID, score: Score, receipt: dict[str, object]) -> models.Score:
    """The database's row for `score`."""
    return models.Score(
        competition_id=competition_id,
        final_score=score.final_score,
        interval_low=score.interval[0],
        interval_high=score.interval[1],
        forgetting_quality=score.forgetting_quality,
        retain_ratio=score.retain_ratio,
        test_ratio=score.test_ratio,
        replicates=[float(value) for value in score.replicates],
        receipt=receipt,
    )


def _store(context: Context, order: Order, score: Score) -> None:
    """The score, the state `scored` and the standings, in one transaction."""
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        superseded = item.token != order.token or item.generation != submission.generation
        if superseded or submission.state != SubmissionState.SCORING:
            item.state = item.state if superseded else WorkState.FAILED
            return
        competition = session.get_one(Competition, submission.competition_id)
        row = score_row(competition.id, score, _receipt(session, submission, order, score))
        row.submission_id, row.generation = submission.id, submission.generation
        session.execute(
            delete(models.Score).where(
                models.Score.submission_id == submission.id, models.Score.generation == submission.generation
            )
        )
        session.add(row)
        finish_item(item)
        end(session, submission, SubmissionState.SCORED)
        refresh(session, competition)
    log.info(
        "submission_scored", submission_id=str(submission.id), warnings=[finding.code for finding in score.warnings]
    )


def _receipt(session: Session, submission: Submission, order: Order, score: Score) -> dict[str, object]:
    items = run_items(session, submission)
    return {
        "source_sha256": submission.source_sha256,
        "data_sha256": order.prepared.hidden_visible.sha256,
        "evaluation_sha256": order.prepared.evaluation.sha256,
        "bank_digest": order.prepared.bank_digest,
        "metric_version": METRIC_VERSION,
        "rule": score.rule,
        "cap_ratios": order.spec.metric.cap_ratios,
        "runs": score.runs,
        "oracles": score.oracles,
        "seed_epoch": submission.seed_epoch,
        "environments": [
            dict(pairs) for pairs in sorted({tuple(sorted((i.environment or {}).items())) for i in items})
        ],
        "sandbox_modes": sorted({item.sandbox_mode or "unknown" for item in items}),
        "warnings": [{"code": finding.code, "message": finding.message} for finding in score.warnings],
    }


def _give_up(context: Context, order: Order, message: str) -> None:
    log.error("scoring_failed", message=message)
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        if item.token != order.token or SubmissionState(submission.state).is_terminal:
            return
        if item.attempt < context.settings.max_attempts:
            item.lease_expires_at = utc_now() + timedelta(seconds=RETRY_S)  # a passing fault gets time to pass
            return
        item.state = WorkState.FAILED
        fail(session, submission, platform_fault(message))
