"""The life of work items: claimed under a lease, kept by heartbeats, ended by an outcome, found again when lost.

Every function runs inside one transaction of its caller. The token of an item rises with each claim, so whoever held
it before can change nothing any more. A holder that fell silent is forgiven as long as nobody else took the item.
Rows are locked in the order item, submission, waiting items of the submission.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from evaluator.contract.faults import Fault, FaultCode, platform_fault
from evaluator.contract.states import Owner, Stage, SubmissionState, WorkState
from evaluator.contract.work import (
    Heartbeat,
    HeartbeatAnswer,
    Job,
    Outcome,
    OutcomeAnswer,
    Registration,
    RegistrationAnswer,
    RunRecord,
    outputs_key,
)
from server import tallies
from server.competitions.service import specification
from server.db import utc_now
from server.errors import RequestError
from server.leaks import moved_progress
from server.logs import get_logger
from server.models import Competition, Submission, Worker, WorkerKey, WorkItem
from server.storage.outputs import run_items
from server.submissions.service import UNCHECKED, end
from server.work import queue, workers
from server.work.allowance import wall_left_s
from server.work.items import advance, hold_back
from server.work.jobs import build_job

log = get_logger(__name__)

FIRST_RETRY_S = 5.0
_STAGE_STATES = {Stage.CHECK: SubmissionState.CHECKING, Stage.RUN: SubmissionState.RUNNING}


class InvalidReport(RequestError):
    """What a worker says of its runs cannot be: it and the server differ in version, or it is no worker."""

    status = 422
    code = "invalid_report"
    title = "Invalid report"


def register(
    session: Session, registration: Registration, key: WorkerKey, *, lease_s: float, max_attempts: int
) -> RegistrationAnswer:
    """Note a worker that starts. What a process of its name held it holds no longer, and others may take it at once."""
    workers.register(session, registration, key)
    held = session.scalars(
        select(WorkItem)
        .where(
            WorkItem.state == WorkState.LEASED,
            WorkItem.worker_key_id == key.id,
            WorkItem.worker == registration.worker,
        )
        .with_for_update()
    ).all()
    for item in held:
        item.token += 1  # what the dead process sent may still arrive
        lose(session, item, max_attempts=max_attempts)
    return RegistrationAnswer(released=len(held), lease_s=lease_s)


def claim(session: Session, worker: Worker, *, lease_s: float, max_attempts: int) -> Job | None:
    """The next job for a worker in the fair order, leased to it, or None when there is nothing that it can do."""
    capabilities = workers.capabilities(worker)
    expire_leases(session, max_attempts=max_attempts)
    for stage in queue.stage_order(session):
        item = queue.next_item(session, stage, capabilities)
        if item is not None:
            break
    else:
        return None
    submission = session.get_one(Submission, item.submission_id)
    lease_item(item, worker=worker.name, lease_s=lease_s)
    item.worker_key_id = worker.worker_key_id
    item.sandbox_mode = capabilities.sandbox_mode
    if submission.state != _STAGE_STATES[stage]:
        submission.state = _STAGE_STATES[stage]
    competition = session.get_one(Competition, submission.competition_id)
    queue.note_served(competition, stage)
    log.info(
        "work_claimed",
        submission_id=str(submission.id),
        work_id=str(item.id),
        stage=item.stage,
        chunk=item.chunk,
        worker=worker.name,
    )
    left_s = wall_left_s(session, submission, specification(competition).limits) if stage is Stage.RUN else None
    return build_job(item, submission, competition, lease_s=lease_s, wall_left_s=left_s)


def lease_item(item: WorkItem, *, worker: str, lease_s: float) -> None:
    """Give `item` to `worker` until the lease runs out; the token fences off the holder before."""
    item.state = WorkState.LEASED
    item.attempt += 1
    item.token += 1
    item.worker = worker
    item.claimed_at = utc_now()
    item.lease_expires_at = item.claimed_at + timedelta(seconds=lease_s)


def heartbeat(session: Session, beat: Heartbeat, key: WorkerKey, *, lease_s: float) -> HeartbeatAnswer:
    """Record finished runs and prolong the lease, or tell the worker to stop."""
    item = _held_item(session, beat.work_id, beat.token, key)
    if item is None:
        return HeartbeatAnswer(stop=True, lease_s=0)
    submission = session.get_one(Submission, item.submission_id)
    if _is_over(submission, item):
        _finish(item, WorkState.FAILED)
        return HeartbeatAnswer(stop=True, lease_s=0)
    record_runs(item, beat.finished)
    item.state = WorkState.LEASED
    item.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
    workers.hear(session, key, item.worker or "")
    show_progress(session, submission)
    return HeartbeatAnswer(stop=False, lease_s=lease_s)


def show_progress(session: Session, submission: Submission) -> None:
    """Move what the team sees of the finished hidden runs, as far and as often as the leak policy lets it."""
    done = sum(len(item.finished) for item in run_items(session, submission))
    now = utc_now()
    step_s = specification(session.get_one(Competition, submission.competition_id)).leaks.step_s
    moved = moved_progress(
        submission.runs_shown, submission.runs_shown_at, done=done, total=submission.runs_total, now=now, step_s=step_s
    )
    if moved is not None:
        submission.runs_shown, submission.runs_shown_at = moved, now


def record_runs(item: WorkItem, records: tuple[RunRecord, ...]) -> None:
    """Remember stored runs once each; a record that is already there stays as it is.

    New ones prove that the item can be done, so its deaths are counted anew. Raises InvalidReport for runs that are
    not the item's, or not stored where its holder stores them.
    """
    for record in records:
        if not item.first_run <= record.index < item.first_run + item.run_count or item.stage != Stage.RUN:
            raise InvalidReport(f"Run {record.index} does not belong to this work item.")
        if record.outputs.key != outputs_key(item.submission_id, item.generation, record.index, item.token):
            raise InvalidReport(f"The outputs of run {record.index} are not stored under this lease.")
    new = {str(record.index): record.model_dump(mode="json", exclude={"index"}) for record in records}
    added = new.keys() - item.finished.keys()
    if added:
        session = object_session(item)
        assert session is not None  # noqa: S101 - items are looked up by the callers
        tallies.add(session, tallies.RUNS, len(added))
        item.finished = new | item.finished
        item.attempt = 1


def report(session: Session, outcome: Outcome, key: WorkerKey, *, max_attempts: int) -> OutcomeAnswer:
    """Apply how an item ended; an outcome with an old token, or for a submission that has ended, changes nothing.

    Raises InvalidReport when it says that all is done and runs are missing.
    """
    item = _held_item(session, outcome.work_id, outcome.token, key)
    if item is None:
        return OutcomeAnswer(accepted=False)
    submission = session.get_one(Submission, item.submission_id, with_for_update=True)
    if _is_over(submission, item):
        _finish(item, WorkState.FAILED)
        return OutcomeAnswer(accepted=False)
    record_runs(item, outcome.finished)
    item.sandbox_mode = outcome.sandbox_mode
    item.environment = outcome.environment
    if outcome.check is not None:
        submission.check_report = outcome.check.model_dump(mode="json")
    if outcome.handed_back:
        item.attempt -= 1
        _free(item)
    elif outcome.fault is None:
        if item.stage == Stage.RUN and len(item.finished) < item.run_count:
            raise InvalidReport(f"{item.run_count - len(item.finished)} runs of this item are missing.")
        _finish(item, WorkState.DONE)
        spec = specification(session.get_one(Competition, submission.competition_id))
        advance(session, submission, spec)
        is_complete = submission.state == SubmissionState.SCORING
        if is_complete and (wall_left_s(session, submission, spec.limits) or 0.0) < 0:
            fail(session, submission, Fault(code=FaultCode.TIMEOUT))
    elif outcome.fault.owner is Owner.PLATFORM and item.attempt < max_attempts:
        log.error("work_failed_retrying", submission_id=str(submission.id), message=outcome.fault.message)
        postpone(item, FIRST_RETRY_S * 2 ** (item.attempt - 1))
    else:
        _finish(item, WorkState.FAILED)
        fail(session, submission, outcome.fault)
    return OutcomeAnswer(accepted=True)


def finish_item(item: WorkItem) -> None:
    """Mark `item` as done now."""
    _finish(item, WorkState.DONE)


def postpone(item: WorkItem, seconds: float) -> None:
    """Nobody gets `item` before `seconds` have passed: a passing fault gets time to pass."""
    item.state = WorkState.LEASED
    item.token += 1
    item.worker_key_id = item.worker = None
    item.lease_expires_at = utc_now() + timedelta(seconds=seconds)


def fail(session: Session, submission: Submission, fault: Fault) -> None:
    """End `submission` with `fault`, which came up in the stage of its state.

    The end by a fault of its own on hidden data waits for the clock, as a score does: until then it is being scored.
    """
    submission.owner = fault.owner
    submission.fault_stage = Stage.CHECK if submission.state in UNCHECKED else Stage.RUN
    submission.fault_code = fault.code
    submission.fault_line = fault.line
    submission.fault_message = fault.message
    log.info("submission_failed", submission_id=str(submission.id), code=fault.code, owner=fault.owner)
    is_own = submission.fault_stage == Stage.RUN and fault.owner == Owner.PARTICIPANT
    if is_own and hold_back(
        session, submission, specification(session.get_one(Competition, submission.competition_id))
    ):
        return
    end(session, submission, SubmissionState.FAILED)


def expire_leases(session: Session, *, max_attempts: int) -> int:
    """Free items whose holder fell silent; one that lost `max_attempts` holders in a row poisons its submission."""
    items = session.scalars(
        select(WorkItem)
        .where(WorkItem.state == WorkState.LEASED, WorkItem.lease_expires_at < utc_now())
        .with_for_update(skip_locked=True)
    ).all()
    for item in items:
        if item.worker is None:
            item.state = WorkState.READY  # it was postponed, nobody held it
        else:
            lose(session, item, max_attempts=max_attempts)
    return len(items)


def lose(session: Session, item: WorkItem, *, max_attempts: int) -> None:
    """The holder of `item` is gone: others may take it, unless it was `max_attempts` holders without a finished run."""
    submission = session.get_one(Submission, item.submission_id)
    item.losses += 1
    tallies.add(session, tallies.LEASES_EXPIRED)
    fields = {"submission_id": str(submission.id), "stage": item.stage, "chunk": item.chunk, "worker": item.worker}
    log.warning("lease_lost", attempt=item.attempt, **fields)
    if _is_over(submission, item):
        _finish(item, WorkState.FAILED)
    elif item.attempt < max_attempts:
        item.state = WorkState.READY
    else:
        _finish(item, WorkState.POISONED)
        tallies.add(session, tallies.WORK_POISONED)
        log.error("work_poisoned", attempts=item.attempt, **fields)
        fail(session, submission, platform_fault(f"{item.attempt} workers fell silent on stage {item.stage}"))


def _held_item(session: Session, work_id: UUID, token: int, key: WorkerKey) -> WorkItem | None:
    """The item if this key's claim of it is the last one, expired or not; None when it has ended or was given away."""
    item = session.get(WorkItem, work_id, with_for_update=True)
    if item is None or item.token != token or item.worker_key_id != key.id:
        return None
    return item if item.state in {WorkState.LEASED, WorkState.READY} else None


def _is_over(submission: Submission, item: WorkItem) -> bool:
    """Whether the item is of no use any more; that of an end which waits to be shown is not, either."""
    is_ended = SubmissionState(submission.state).is_terminal or submission.fault_code is not None
    return is_ended or submission.generation != item.generation


def _free(item: WorkItem) -> None:
    """Give `item` back in such a way that nothing which its holder sent before counts any more."""
    item.state = WorkState.READY
    item.token += 1


def _finish(item: WorkItem, state: WorkState) -> None:
    item.state = state
    item.done_at = utc_now()
