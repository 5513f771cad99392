"""The life of work items: claimed under a lease, kept by heartbeats, ended by an outcome, found again when lost.

Every function runs inside one transaction of its caller. The token of an item rises with each claim, so whoever held
it before can change nothing any more.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from evaluator.contract.faults import Fault, FaultCode, platform_fault
from evaluator.contract.states import Owner, Stage, SubmissionState, WorkState
from evaluator.contract.work import Claim, Heartbeat, HeartbeatAnswer, Job, Outcome, OutcomeAnswer, RunRecord
from server import tallies
from server.competitions.service import specification
from server.db import utc_now
from server.logs import get_logger
from server.models import Competition, Submission, WorkerKey, WorkItem
from server.submissions.service import end
from server.work.allowance import wall_left_s
from server.work.jobs import build_job

log = get_logger(__name__)

_STAGE_STATES = {Stage.CHECK: SubmissionState.CHECKING, Stage.RUN: SubmissionState.RUNNING}


def claim(session: Session, claim: Claim, key: WorkerKey, *, lease_s: float, max_attempts: int) -> Job | None:
    """The next job for a worker, leased to its key, or None when there is nothing to do.

    Checks come before runs, older submissions before younger ones.
    """
    expire_leases(session, max_attempts=max_attempts)
    item = next_item(session, (Stage.CHECK, Stage.RUN))
    if item is None:
        return None
    item.worker_key_id = key.id
    lease_item(item, worker=claim.worker, lease_s=lease_s)
    item.sandbox_mode = claim.sandbox_mode
    submission = session.get_one(Submission, item.submission_id)
    submission.state = _STAGE_STATES[Stage(item.stage)]
    competition = session.get_one(Competition, submission.competition_id)
    log.info(
        "work_claimed",
        submission_id=str(submission.id),
        work_id=str(item.id),
        stage=item.stage,
        chunk=item.chunk,
        worker=claim.worker,
    )
    left_s = wall_left_s(session, submission, specification(competition).limits) if item.stage == Stage.RUN else None
    return build_job(item, submission, competition, lease_s=lease_s, wall_left_s=left_s)


def next_item(session: Session, stages: tuple[Stage, ...]) -> WorkItem | None:
    """The free item to do next among `stages`, locked, or None."""
    return session.scalar(
        select(WorkItem)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.state == WorkState.READY,
            WorkItem.stage.in_(stages),
            WorkItem.generation == Submission.generation,
            Submission.state.in_([state for state in SubmissionState if not state.is_terminal]),
        )
        .order_by(WorkItem.stage, Submission.created_at, WorkItem.chunk)
        .limit(1)
        .with_for_update(skip_locked=True, of=WorkItem)
    )


def lease_item(item: WorkItem, *, worker: str, lease_s: float) -> None:
    """Give `item` to `worker` until the lease runs out; the token fences off the holder before."""
    item.state = WorkState.LEASED
    item.attempt += 1
    item.token += 1
    item.worker = worker
    item.lease_expires_at = utc_now() + timedelta(seconds=lease_s)


def heartbeat(session: Session, beat: Heartbeat, key: WorkerKey, *, lease_s: float) -> HeartbeatAnswer:
    """Record finished runs and prolong the lease, or tell the worker to stop."""
    item = _held_item(session, beat.work_id, beat.token, key)
    if item is None:
        return HeartbeatAnswer(stop=True, lease_s=0)
    record_runs(item, beat.finished)
    submission = session.get_one(Submission, item.submission_id)
    if SubmissionState(submission.state).is_terminal or submission.generation != item.generation:
        item.state = WorkState.FAILED
        return HeartbeatAnswer(stop=True, lease_s=0)
    item.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
    return HeartbeatAnswer(stop=False, lease_s=lease_s)


def record_runs(item: WorkItem, records: tuple[RunRecord, ...]) -> None:
    """Remember stored runs once each; a record that is already there stays as it is."""
    new = {
        str(record.index): record.model_dump(mode="json", exclude={"index"})
        for record in records
        if item.first_run <= record.index < item.first_run + item.run_count
    }
    session = object_session(item)
    assert session is not None  # noqa: S101 - items are looked up by the callers
    tallies.add(session, tallies.RUNS, len(new.keys() - item.finished.keys()))
    item.finished = new | item.finished


def report(session: Session, outcome: Outcome, key: WorkerKey, *, max_attempts: int) -> OutcomeAnswer:
    """Apply how an item ended; an outcome with an old token, or for a submission that has ended, changes nothing."""
    item = _held_item(session, outcome.work_id, outcome.token, key)
    if item is None:
        return OutcomeAnswer(accepted=False)
    record_runs(item, outcome.finished)
    item.sandbox_mode = outcome.sandbox_mode
    item.environment = outcome.environment
    submission = session.get_one(Submission, item.submission_id, with_for_update=True)
    if SubmissionState(submission.state).is_terminal or submission.generation != item.generation:
        item.state = WorkState.FAILED
        return OutcomeAnswer(accepted=False)
    if outcome.check is not None:
        submission.check_report = outcome.check.model_dump(mode="json")
    if outcome.handed_back:
        item.state = WorkState.READY
        item.attempt -= 1
    elif outcome.fault is None:
        finish_item(item)
        _advance(session, submission, Stage(item.stage))
    elif outcome.fault.owner is Owner.PLATFORM and item.attempt < max_attempts:
        item.state = WorkState.READY
        log.error("work_failed_retrying", submission_id=str(submission.id), message=outcome.fault.message)
    else:
        item.state = WorkState.FAILED
        fail(session, submission, outcome.fault)
    return OutcomeAnswer(accepted=True)


def finish_item(item: WorkItem) -> None:
    """Mark `item` as done now."""
    item.state = WorkState.DONE
    item.done_at = utc_now()


def fail(session: Session, submission: Submission, fault: Fault) -> None:
    """End `submission` with `fault`."""
    submission.owner = fault.owner
    submission.fault_code = fault.code
    submission.fault_line = fault.line
    submission.fault_message = fault.message
    end(session, submission, SubmissionState.FAILED)
    log.info("submission_failed", submission_id=str(submission.id), code=fault.code, owner=fault.owner)


def _held_item(session: Session, work_id: UUID, token: int, key: WorkerKey) -> WorkItem | None:
    item = session.get(WorkItem, work_id, with_for_update=True)
    if item is None or item.token != token or item.worker_key_id != key.id or item.state != WorkState.LEASED:
        return None
    return item


def _advance(session: Session, submission: Submission, stage: Stage) -> None:
    """Derive what comes next from the stage that was just finished."""
    if stage is Stage.CHECK:
        add_run_items(session, submission)
        submission.state = SubmissionState.RUNNING
    elif not _unfinished(session, submission):
        competition = session.get_one(Competition, submission.competition_id)
        if (wall_left_s(session, submission, specification(competition).limits) or 0.0) < 0:
            fail(session, submission, Fault(code=FaultCode.TIMEOUT))
            return
        session.add(score_item(submission))
        submission.state = SubmissionState.SCORING


def _unfinished(session: Session, submission: Submission) -> bool:
    session.flush()
    return (
        session.scalar(
            select(WorkItem.id)
            .where(
                WorkItem.submission_id == submission.id,
                WorkItem.generation == submission.generation,
                WorkItem.stage == Stage.RUN,
                WorkItem.state != WorkState.DONE,
            )
            .limit(1)
        )
        is not None
    )


def add_run_items(session: Session, submission: Submission) -> None:
    """One work item per chunk of hidden runs."""
    competition = session.get_one(Competition, submission.competition_id)
    chunk_runs = specification(competition).evaluation.chunk_runs
    for chunk, first in enumerate(range(0, submission.runs_total, chunk_runs)):
        session.add(
            WorkItem(
                submission_id=submission.id,
                generation=submission.generation,
                stage=Stage.RUN,
                chunk=chunk,
                first_run=first,
                run_count=min(chunk_runs, submission.runs_total - first),
            )
        )


def score_item(submission: Submission) -> WorkItem:
    """The work item of the score stage; control takes it."""
    return WorkItem(
        submission_id=submission.id,
        generation=submission.generation,
        stage=Stage.SCORE,
        chunk=0,
        first_run=0,
        run_count=0,
    )


def expire_leases(session: Session, *, max_attempts: int) -> int:
    """Free items whose holder fell silent; one that lost `max_attempts` holders fails as the platform's fault."""
    items = session.scalars(
        select(WorkItem)
        .where(WorkItem.state == WorkState.LEASED, WorkItem.lease_expires_at < utc_now())
        .with_for_update(skip_locked=True)
    ).all()
    for item in items:
        submission = session.get_one(Submission, item.submission_id)
        ended = SubmissionState(submission.state).is_terminal or submission.generation != item.generation
        if ended or item.attempt >= max_attempts:
            item.state = WorkState.FAILED
        else:
            item.state = WorkState.READY
        if not ended and item.state == WorkState.FAILED:
            fail(session, submission, platform_fault(f"{item.attempt} workers fell silent on stage {item.stage}"))
        log.warning("lease_expired", submission_id=str(submission.id), stage=item.stage, worker=item.worker)
    tallies.add(session, tallies.LEASES_EXPIRED, len(items))
    return len(items)
