"""Computes scores from stored outputs: nothing is run again, and the same outputs give the same score."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactStoreAway
from lethe.evaluator.artifacts.outputs import OutputsInvalid, StackedOutputs
from lethe.evaluator.contract.faults import platform_fault
from lethe.evaluator.contract.oracle_pools import OraclePools
from lethe.evaluator.contract.parts import Part, PartPools, is_combined, part_pools
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation, Stage, SubmissionState
from lethe.evaluator.metrics import METRIC_VERSION, CombinedScore, ScoreFinding
from lethe.evaluator.metrics import Score as ScoreOfPart
from lethe.evaluator.scoring.parts import breakdown, combined_score
from lethe.evaluator.scoring.reference_set import ReferenceSet, ReferenceSets
from lethe.server.competitions.service import prepared_competition, specification
from lethe.server.context import Context
from lethe.server.database import counters
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.leaderboard.standings import refresh
from lethe.server.lifecycle.submissions import end
from lethe.server.lifecycle.transitions import OfSubmission, OfWorkItem
from lethe.server.logs import about_submission, get_logger
from lethe.server.models import Competition, Score, Submission, WorkItem
from lethe.server.queue import leases
from lethe.server.queue.jobs import seeds_digest
from lethe.server.queue.planning import advance, fail, reopen
from lethe.server.scoring import looks
from lethe.server.scoring.lease_renewal import renewed_lease
from lethe.server.scoring.queries import run_items
from lethe.server.scoring.stored_outputs import (
    RunOutputs,
    RunsUnusable,
    StoredPack,
    commit_packs,
    drop_singles,
    forget_runs,
    read_runs,
    run_outputs,
    store_pack,
)

log = get_logger(__name__)

MetricScore = ScoreOfPart | CombinedScore

RETRY_S = 10.0
_CLAIMED = (WorkItem.id,)
_SCORED_IN = (SubmissionState.SCORING, SubmissionState.RUNNING)  # the latter at a look


@dataclass(frozen=True)
class _ScoringInput:
    """A leased score item with everything that scoring needs, detached from the database.

    `parts` and `outputs` are those of the evaluation's parts, in their order.
    """

    work_id: UUID
    token: int
    spec: CompetitionSpec
    parts: tuple[PartPools, ...]
    outputs: tuple[RunOutputs, ...]
    request_id: str | None
    look: int
    best: looks.TeamBest | None


class Scorer:
    """Scores one submission at a time."""

    def __init__(self, context: Context, holder: str, reference_sets: ReferenceSets | None = None) -> None:
        self._context = context
        self._holder = holder
        self._reference_sets = reference_sets or ReferenceSets(context.artifacts)

    def score_next(self) -> bool:
        """Score the submission that has waited longest, or show its held-back end; False when none waits."""
        lease_s = self._context.settings.lease_s
        with self._context.database.write() as session:
            claimed = leases.claim_first(session, Stage.SCORE, _CLAIMED, worker=self._holder, lease_s=lease_s)
            if claimed is None:
                return False
            item = session.get_one(WorkItem, claimed.id)
            submission = session.get_one(Submission, item.submission_id, with_for_update=True)
            with about_submission(submission.id, submission.request_id):
                log.info(OfWorkItem.SCORE_CLAIMED.event, work_id=str(claimed.id), holder=self._holder)
                if submission.fault_code is not None and submission.generation == item.generation:
                    leases.close(item, OfWorkItem.SCORE_DONE)
                    if not SubmissionState(submission.state).is_terminal:
                        end(session, submission, OfSubmission.HELD_BACK_END_SHOWN)
                    return True
                if submission.stopped_after is not None and item.chunk == 0:
                    leases.close(item, OfWorkItem.SCORE_DONE)
                    end(session, submission, OfSubmission.SCORED, stopped_after=submission.stopped_after)
                    return True
            order = _order(session, item)
        with (
            about_submission(order.outputs[0].submission_id, order.request_id),
            structlog.contextvars.bound_contextvars(work_id=str(order.work_id)),
            renewed_lease(self._context, order.work_id, order.token, lease_s=lease_s),
        ):
            self._process(order)
        return True

    def _process(self, order: _ScoringInput) -> None:
        """Score or look, and store what was found; what cannot be read is repeated or tried later."""
        try:
            store = self._look(order) if order.look else self._score(order)
        except RunsUnusable as error:
            _repeat(self._context, order, error)
        except ArtifactStoreAway as error:
            _try_later(self._context, order, str(error), counts=False)
        except (ArtifactError, OutputsInvalid, ValueError) as error:
            _try_later(self._context, order, f"{type(error).__name__}: {error}", counts=True)
        else:
            store()

    def _look(self, order: _ScoringInput) -> Callable[[], None]:
        """Compare with the team's best, and return what stores the result."""
        reference_set = self._reference_sets.get(order.spec.metric, order.parts[0].against)
        outputs = order.outputs[0]
        found = looks.compare(self._context.artifacts, reference_set, order.spec, outputs, order.best, order.look)
        return partial(_store_look, self._context, order, found, imported=reference_set.imported)

    def _score(self, order: _ScoringInput) -> Callable[[], None]:
        """Compute the score, and return what stores it."""
        started = time.monotonic()
        metric, artifacts = order.spec.metric, self._context.artifacts
        scored: list[tuple[Part, ReferenceSet, ScoreOfPart]] = []
        findings: list[ScoreFinding] = []
        packs: list[StoredPack] = []
        for one, outputs in zip(order.parts, order.outputs, strict=True):
            reference_set = self._reference_sets.get(metric, one.against)
            stacked = read_runs(artifacts, outputs)
            found = score_part(one.part, reference_set, stacked)
            scored.append((one.part, reference_set, found.score))
            findings += found.findings
            if outputs.pack is None:
                packs.append(store_pack(artifacts, outputs, stacked, token=order.token))
        score = combined_score(order.spec, metric, scored)
        said = tuple(dict.fromkeys(findings))
        imported = count_imported(order.parts, [reference_set for _, reference_set, _ in scored])

        def store() -> None:
            if _store(self._context, order, packs, score, said, imported=imported, started=started):
                for outputs in order.outputs:
                    drop_singles(artifacts, outputs)

        return store


def _order(session: Session, item: WorkItem) -> _ScoringInput:
    submission = session.get_one(Submission, item.submission_id)
    competition = session.get_one(Competition, submission.competition_id)
    spec = specification(competition)
    parts = part_pools(spec, prepared_competition(competition), Evaluation(submission.evaluation))
    return _ScoringInput(
        work_id=item.id,
        token=item.token,
        spec=spec,
        parts=parts,
        outputs=tuple(run_outputs(session, submission, part=one.part.number) for one in parts),
        request_id=submission.request_id,
        look=item.chunk,
        best=looks.team_best(session, submission) if item.chunk else None,
    )


@dataclass(frozen=True, eq=False)
class ScoredPart:
    """The score of a part's runs, and what a host should know before trusting it."""

    score: ScoreOfPart
    findings: tuple[ScoreFinding, ...]


def score_part(part: Part, reference_set: ReferenceSet, stacked: StackedOutputs) -> ScoredPart:
    """Return the score of the runs of a part; findings begin with the name of its task, if it has one."""
    unlearned = reference_set.pool(stacked)
    score = reference_set.score(unlearned)
    findings = reference_set.findings(stacked, unlearned, score)
    if part.name:
        findings = tuple(replace(one, message=f"Task {part.name}: {one.message}") for one in findings)
    return ScoredPart(score, findings)


def score_row(competition_id: UUID, score: MetricScore, receipt: dict[str, object]) -> Score:
    """The database's row for `score`."""
    return Score(competition_id=competition_id, receipt=receipt, **score_numbers(score))


def score_numbers(score: MetricScore) -> dict[str, Any]:
    """The values of a score row's columns."""
    return {
        "final_score": score.final_score,
        "interval_low": score.interval[0],
        "interval_high": score.interval[1],
        "forgetting_quality": score.forgetting_quality,
        "retain_ratio": score.retain_ratio,
        "test_ratio": score.test_ratio,
        "replicates": [float(value) for value in score.replicates],
        "breakdown": breakdown(score),
    }


def _store(
    context: Context,
    order: _ScoringInput,
    packs: list[StoredPack],
    score: MetricScore,
    findings: tuple[ScoreFinding, ...],
    *,
    imported: int,
    started: float,
) -> bool:
    """Store packs, score, state and standings in one transaction; False if the item was superseded.

    It is scored again if the competition has been rescored under another metric since.
    """
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        if item.token != order.token or item.generation != submission.generation:
            return False
        if submission.state != SubmissionState.SCORING:
            leases.close(item, OfWorkItem.OBSOLETE)
            return False
        competition = session.get_one(Competition, submission.competition_id, with_for_update=True)
        if specification(competition).metric != order.spec.metric:
            item.attempt -= 1
            leases.release(item, OfWorkItem.SCORE_OUTDATED)
            return False
        findings = (*findings, *unrepeatable_runs(run_items(session, submission)))
        row = score_row(competition.id, score, _receipt(session, submission, order, score, findings, imported))
        row.submission_id, row.generation = submission.id, submission.generation
        row.evaluation = submission.evaluation
        earlier = current_score(session, submission)
        if earlier is not None:
            row.id = earlier.id  # the standings refer to it
        merged = session.merge(row)
        merged.plots = merged.measures = None  # of an earlier scoring
        merged.shown_measures = {}
        if packs:
            commit_packs(session, submission, packs)
        leases.close(item, OfWorkItem.SCORE_DONE)
        end(session, submission, OfSubmission.SCORED, findings=[finding.code for finding in findings])
        evaluation = Evaluation(submission.evaluation)
        refresh(session, competition, evaluation, submission.team_id, is_rescore=earlier is not None)
        counters.add(session, counters.SCORINGS)
        counters.add(session, counters.SCORING_S, time.monotonic() - started)
    return True


def _store_look(context: Context, order: _ScoringInput, found: looks.LookResult | None, *, imported: int) -> None:
    """Store what a look found and what follows from it in one transaction, unless the item was superseded."""
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        if item.token != order.token:
            return
        if leases.is_obsolete(submission, item) or submission.state != SubmissionState.RUNNING:
            leases.close(item, OfWorkItem.OBSOLETE)
            return
        competition = session.get_one(Competition, submission.competition_id)
        if specification(competition).metric != order.spec.metric:
            item.attempt -= 1
            leases.release(item, OfWorkItem.SCORE_OUTDATED)
            return
        receipt = None
        if found is not None and found.is_stop:
            receipt = _receipt(session, submission, order, found.score, (), imported)
        leases.close(item, OfWorkItem.SCORE_DONE)
        looks.store_look(session, submission, order.spec, order.best, found, receipt)
        is_stopped = submission.stopped_after is not None
    if is_stopped:
        context.wake.control()
    else:
        context.wake.workers()


def unrepeatable_runs(items: Iterable[WorkItem]) -> tuple[ScoreFinding, ...]:
    """Return a finding if runs that workers repeated with the same seed gave other weights the second time."""
    records = [record for item in items for record in item.finished.values()]
    repeatable = [record["repeatable"] for record in records if record.get("repeatable") is not None]
    if all(repeatable):
        return ()
    message = (
        f"{repeatable.count(False)} of {len(repeatable)} runs that were done again with the same seed gave other "
        "weights. They depend on more than their seed, such as the clock, and so may know their place among the runs."
    )
    return (ScoreFinding("unrepeatable_runs", message),)


def _receipt(
    session: Session,
    submission: Submission,
    order: _ScoringInput,
    score: MetricScore,
    findings: tuple[ScoreFinding, ...],
    imported: int,
) -> dict[str, object]:
    items = run_items(session, submission)
    competition = session.get_one(Competition, submission.competition_id)
    return (
        {
            "source_sha256": submission.source_sha256,
            "evaluation": submission.evaluation,
            **_digests(order.parts[0].against),
            "metric_version": METRIC_VERSION,
            "rule": score.rule,
            "cap_ratios": order.spec.metric.cap_ratios,
            "runs": score.runs,
            "oracles": score.oracles,
            "seed_rule": submission.seed_rule,
            "seed_epoch": submission.seed_epoch,
            "seeds_sha256": seeds_digest(competition, submission),
            "environments": [
                dict(pairs) for pairs in sorted({tuple(sorted((i.environment or {}).items())) for i in items})
            ],
            "sandbox_modes": sorted({item.sandbox_mode or "unknown" for item in items}),
            "findings": [{"code": finding.code, "message": finding.message} for finding in findings],
        }
        | ({"imported_oracles": imported} if imported else {})
        | parts_receipt(order.spec, order.parts)
    )


def count_imported(parts: Sequence[PartPools], reference_sets: Sequence[ReferenceSet]) -> int:
    """Return how many oracles of all parts' banks were trained elsewhere."""
    found = zip(parts, reference_sets, strict=True)
    return sum({one.against.split.bank_digest: reference_set.imported for one, reference_set in found}.values())


def parts_receipt(spec: CompetitionSpec, parts: Sequence[PartPools]) -> dict[str, object]:
    """Return what a receipt says of each part; nothing where there is one."""
    if not is_combined(spec):
        return {}
    of_parts = [
        {
            "task": one.part.name,
            "original": one.part.original,
            "original_sha256": one.against.split.original.sha256,
            **_digests(one.against),
        }
        for one in parts
    ]
    return {"parts": of_parts}


def _digests(against: OraclePools) -> dict[str, object]:
    return {
        "data_sha256": against.split.visible.sha256,
        "evaluation_sha256": against.split.evaluation.sha256,
        "bank_digest": against.split.bank_digest,
    }


def _repeat(context: Context, order: _ScoringInput, unusable: RunsUnusable) -> None:
    """Repeat the runs whose stored outputs cannot be used; such outputs are never scored."""
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        if item.token != order.token or submission.state not in _SCORED_IN:
            return
        leases.close(item, OfWorkItem.SCORE_FAILED, message=str(unusable))
        if item.attempt >= context.settings.max_attempts:
            fail(session, submission, OfSubmission.SCORING_FAILED, platform_fault(str(unusable)))
            return
        for chunk in forget_runs(session, submission, unusable.runs):
            reopen(chunk)
            chunk.attempt = 0
        competition = session.get_one(Competition, submission.competition_id)
        advance(session, submission, specification(competition), OfSubmission.RUNS_UNUSABLE)
    context.wake.workers()


def _try_later(context: Context, order: _ScoringInput, message: str, *, counts: bool) -> None:
    """Score again in some seconds; too many errors that `counts` end the submission as the platform's fault."""
    with context.database.write() as session:
        item = session.get_one(WorkItem, order.work_id, with_for_update=True)
        submission = session.get_one(Submission, item.submission_id, with_for_update=True)
        if item.token != order.token or SubmissionState(submission.state).is_terminal:
            return
        item.attempt -= not counts
        if item.attempt < context.settings.max_attempts:
            leases.release(item, OfWorkItem.SCORE_RETRIED, after_s=RETRY_S, message=message)
            return
        leases.close(item, OfWorkItem.SCORE_FAILED, message=message)
        fail(session, submission, OfSubmission.SCORING_FAILED, platform_fault(message))
