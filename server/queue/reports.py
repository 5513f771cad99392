"""The reports of workers: that they start, are alive and have finished runs, and how their items ended.

Every function runs inside one transaction of its caller. Rows are locked in the order worker, item, submission, waiting
items of the submission.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import Fault, FaultCode
from lethe.evaluator.contract.parts import chunks
from lethe.evaluator.contract.phrases import count_text
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.states import Owner, Stage
from lethe.evaluator.contract.work import (
    CheckReport,
    Heartbeat,
    HeartbeatAnswer,
    Outcome,
    Registration,
    RegistrationAnswer,
    RunRecord,
    audit_key,
    outputs_key,
)
from lethe.server.competitions.service import specification
from lethe.server.errors import RequestError
from lethe.server.lifecycle.transitions import OfSubmission, OfWorkItem
from lethe.server.lifecycle.work import write_item
from lethe.server.logs import about_submission
from lethe.server.models import Competition, Submission, WorkerKey, WorkItem
from lethe.server.models.base import Entity
from lethe.server.queue import leases, quarantine, queries, worker_queries, workers
from lethe.server.queue.planning import advance, fail
from lethe.server.queue.progress import show_progress
from lethe.server.queue.wall_time import wall_left_s
from lethe.server.security.credentials import require_worker_key

FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 60.0


class InvalidReport(RequestError):
    """A worker's report contradicts its item: worker and server differ in version, or no worker sent it."""

    status = 422
    code = "invalid_report"
    title = "Invalid report"


def register(
    session: Session, registration: Registration, key: WorkerKey, *, lease_s: float, max_attempts: int
) -> RegistrationAnswer:
    """Note a worker that starts, and expire the leases of a former process of its name, so that others can claim."""
    workers.register(session, registration, key)
    held = queries.lock_held(session, key.id, registration.worker)
    for item in held:
        item.token += 1  # what the dead process sent may still arrive
        leases.expire(session, item, max_attempts=max_attempts)
    newest = worker_queries.newest_prepared(session)
    known = None if newest is None else PreparedCompetition.model_validate(newest).public.visible
    return RegistrationAnswer(released=len(held), lease_s=lease_s, known=known)


def heartbeat(session: Session, beat: Heartbeat, key_digest: str, *, lease_s: float) -> HeartbeatAnswer:
    """Record finished runs and renew the lease, or tell the worker to stop."""
    held = _held(session, beat.work_id, beat.token, key_digest, locked=(WorkItem,))
    if held is None:
        return HeartbeatAnswer(stop=True, lease_s=0)
    item, submission = held
    with about_submission(submission.id, submission.request_id):
        if leases.is_obsolete(submission, item):
            leases.close(item, OfWorkItem.OBSOLETE)
            return HeartbeatAnswer(stop=True, lease_s=0)
        record_runs(item, beat.finished)
        leases.renew(item, OfWorkItem.RENEWED, lease_s=lease_s)
    workers.record_contact(session, key_digest, item.worker or "")
    show_progress(session, submission)
    return HeartbeatAnswer(stop=False, lease_s=lease_s)


def record_runs(item: WorkItem, records: tuple[RunRecord, ...]) -> None:
    """Remember stored runs once each; a record that is there already stays as it is, but gets the audit that it lacks.

    New ones prove that the item can be done, so its attempts are counted anew. Raises InvalidReport for runs that are
    not the item's, or not stored where its holder stores them.
    """
    for record in records:
        if not item.first_run <= record.index < item.first_run + item.run_count or item.stage != Stage.RUN:
            raise InvalidReport(f"Run {record.index} does not belong to this work item.")
        if record.outputs.key != outputs_key(item.submission_id, item.generation, record.index, item.token):
            raise InvalidReport(f"The outputs of run {record.index} are not stored under this lease.")
        audited = audit_key(item.submission_id, item.generation, record.index, item.token)
        if record.audit is not None and record.audit.key != audited:
            raise InvalidReport(f"The audit of run {record.index} is not stored under this lease.")
    new = {str(record.index): record.model_dump(mode="json", exclude={"index"}) for record in records}
    if new.keys() - item.finished.keys():
        item.finished = new | item.finished
        item.attempt = 1
    audits = {index: record["audit"] for index, record in new.items() if record["audit"] is not None}
    if any(item.finished[index].get("audit") is None for index in audits):
        item.finished = {
            index: record | {"audit": record.get("audit") or audits.get(index)}
            for index, record in item.finished.items()
        }


@dataclass(frozen=True)
class Reported:
    """Whether an outcome changed anything, and the stage and number of the items that wait now because of it."""

    accepted: bool
    waits: Stage | None = None
    count: int = 0


def report(session: Session, outcome: Outcome, key_digest: str, *, max_attempts: int) -> Reported:
    """Apply how an item ended; an outcome with an old token, or for a submission that has ended, changes nothing.

    Raises InvalidReport when runs are missing of an item that is done.
    """
    held = _held(session, outcome.work_id, outcome.token, key_digest, locked=(WorkItem, Submission))
    if held is None:
        return Reported(accepted=False)
    with about_submission(held[1].id, held[1].request_id):
        return _apply(session, *held, outcome, max_attempts=max_attempts)


def _apply(
    session: Session, item: WorkItem, submission: Submission, outcome: Outcome, *, max_attempts: int
) -> Reported:
    if leases.is_obsolete(submission, item):
        leases.close(item, OfWorkItem.OBSOLETE)
        return Reported(accepted=False)
    record_runs(item, outcome.finished)
    item.sandbox_mode = outcome.sandbox_mode
    item.environment = outcome.environment
    if outcome.check is not None:
        submission.check_report = outcome.check.model_dump(mode="json")
        _take_exact_source(submission, outcome.check)
    if outcome.handed_back:
        item.attempt -= 1
        leases.release(item, OfWorkItem.HANDED_BACK)
        return Reported(accepted=True, waits=Stage(item.stage), count=1)
    if outcome.fault is None:
        if item.stage == Stage.RUN and len(item.finished) < item.run_count:
            raise InvalidReport(f"This item lacks {count_text(item.run_count - len(item.finished), 'run')}.")
        quarantine.note_done(session, item)
        leases.close(item, OfWorkItem.DONE)
        return _go_on(session, submission, item)
    if outcome.fault.owner is Owner.PLATFORM:
        quarantine.note_fault(session, item)
    else:
        quarantine.note_done(session, item)
    if outcome.fault.owner is Owner.PLATFORM and item.attempt < max_attempts:
        retry_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (item.attempt - 1))
        leases.release(
            item,
            OfWorkItem.RETRIED,
            after_s=retry_s,
            worker=item.worker,
            attempt=item.attempt,
            message=outcome.fault.message,
        )
    else:
        leases.close(item, OfWorkItem.FAILED, worker=item.worker, attempt=item.attempt)
        fail(session, submission, OfSubmission.FAILED, outcome.fault)
    return Reported(accepted=True)


def _take_exact_source(submission: Submission, check: CheckReport) -> None:
    """Let the source that the check decided on be that of all runs from now on, finals and reruns included."""
    if check.left_out:
        submission.notes = list(dict.fromkeys([*(submission.notes or []), *check.left_out]))
    if check.exact is not None and submission.upload_sha256 is None:
        submission.upload_sha256 = submission.source_sha256
        submission.source_key, submission.source_sha256 = check.exact.key, check.exact.sha256


def _go_on(session: Session, submission: Submission, item: WorkItem) -> Reported:
    """Add what follows on `item`, which is done, unless other items of its stage are still to come."""
    if write_item(session, item):
        return Reported(accepted=True)
    spec = specification(session.get_one(Competition, submission.competition_id))
    if item.stage == Stage.CHECK:
        advance(session, submission, spec, OfSubmission.CHECK_PASSED)
        count = sum(1 for _ in chunks(spec, submission.runs_total))
        return Reported(accepted=True, waits=Stage.RUN, count=count)
    if (wall_left_s(session, submission.id, submission.generation, spec.limits) or 0.0) < 0:
        fail(session, submission, OfSubmission.FAILED, Fault(code=FaultCode.TIMEOUT))
    else:
        advance(session, submission, spec, OfSubmission.RUNS_DONE)
    return Reported(accepted=True, waits=Stage.SCORE, count=1)


def _held(
    session: Session, work_id: UUID, token: int, key_digest: str, *, locked: tuple[type[Entity], ...]
) -> tuple[WorkItem, Submission] | None:
    """Return the item and its submission if this key's claim of the item is the last one, expired or not.

    None when the item has ended or another worker has claimed it. The rows of `locked` are locked in that order. Raises
    WorkerKeyInvalid.
    """
    named = {"work_id": work_id, "token": token, "key_digest": key_digest}
    found = queries.held_item.entities(session, locked, **named).one_or_none()
    if found is None:
        require_worker_key(session, key_digest)
        return None
    return found.WorkItem, found.Submission
