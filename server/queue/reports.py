"""What workers say: that they start, live on and have finished runs, and how their items ended.

Every function runs inside one transaction of its caller. Rows are locked in the order worker, item, submission, waiting
items of the submission.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import Select, bindparam, inspect, literal_column, select, update
from sqlalchemy.orm import Session, aliased, load_only
from sqlalchemy.sql.dml import ReturningUpdate

from evaluator.contract.faults import Fault, FaultCode
from evaluator.contract.states import OPEN_WORK_STATES, Owner, Stage, SubmissionState, WorkState
from evaluator.contract.work import (
    Heartbeat,
    HeartbeatAnswer,
    Outcome,
    Registration,
    RegistrationAnswer,
    RunRecord,
    outputs_key,
)
from server.competitions.service import specification
from server.database.statements import constant
from server.errors import RequestError
from server.logs import get_logger
from server.models import Competition, Submission, WorkerKey, WorkItem
from server.models.base import Entity
from server.models.times import utc_now
from server.queue import leases, workers
from server.queue.planning import advance
from server.queue.progress import show_progress
from server.queue.wall_time import wall_left_s
from server.security.credentials import require_worker_key

log = get_logger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 60.0
_READ_OF_SUBMISSIONS = (
    Submission.competition_id,
    Submission.state,
    Submission.fault_code,
    Submission.generation,
    Submission.runs_total,
    Submission.runs_shown,
    Submission.runs_shown_at,
)
_READ_OF_ITEMS = (
    WorkItem.submission_id,
    WorkItem.competition_id,
    WorkItem.generation,
    WorkItem.stage,
    WorkItem.chunk,
    WorkItem.first_run,
    WorkItem.run_count,
    WorkItem.state,
    WorkItem.attempt,
    WorkItem.token,
    WorkItem.worker,
    WorkItem.finished,
)
_OPEN = [constant(state) for state in sorted(OPEN_WORK_STATES)]


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
        .order_by(WorkItem.submission_id)  # as `expire_leases` does
        .with_for_update()
    ).all()
    for item in held:
        item.token += 1  # what the dead process sent may still arrive
        leases.expire_lease(session, item, max_attempts=max_attempts)
    return RegistrationAnswer(released=len(held), lease_s=lease_s)


def heartbeat(session: Session, beat: Heartbeat, key_digest: str, *, lease_s: float) -> HeartbeatAnswer:
    """Record finished runs and prolong the lease, or tell the worker to stop."""
    held = _held(session, beat.work_id, beat.token, key_digest, locked=(WorkItem,))
    if held is None:
        return HeartbeatAnswer(stop=True, lease_s=0)
    item, submission = held
    if leases.is_obsolete(submission, item):
        leases.close(item, WorkState.FAILED)
        return HeartbeatAnswer(stop=True, lease_s=0)
    record_runs(item, beat.finished)
    item.state = WorkState.LEASED
    item.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
    workers.record_contact(session, key_digest, item.worker or "")
    show_progress(session, submission)
    return HeartbeatAnswer(stop=False, lease_s=lease_s)


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
    if new.keys() - item.finished.keys():
        item.finished = new | item.finished
        item.attempt = 1


@dataclass(frozen=True)
class Reported:
    """Whether an outcome changed anything, and how many items of which stage wait now because of it."""

    accepted: bool
    waits: Stage | None = None
    count: int = 0


def report(session: Session, outcome: Outcome, key_digest: str, *, max_attempts: int) -> Reported:
    """Apply how an item ended; an outcome with an old token, or for a submission that has ended, changes nothing.

    Raises InvalidReport when it says that all is done and runs are missing.
    """
    held = _held(session, outcome.work_id, outcome.token, key_digest, locked=(WorkItem, Submission))
    if held is None:
        return Reported(accepted=False)
    item, submission = held
    if leases.is_obsolete(submission, item):
        leases.close(item, WorkState.FAILED)
        return Reported(accepted=False)
    record_runs(item, outcome.finished)
    item.sandbox_mode = outcome.sandbox_mode
    item.environment = outcome.environment
    if outcome.check is not None:
        submission.check_report = outcome.check.model_dump(mode="json")
    if outcome.handed_back:
        item.attempt -= 1
        leases.release(item)
        return Reported(accepted=True, waits=Stage(item.stage), count=1)
    if outcome.fault is None:
        if item.stage == Stage.RUN and len(item.finished) < item.run_count:
            raise InvalidReport(f"{item.run_count - len(item.finished)} runs of this item are missing.")
        leases.close(item, WorkState.DONE)
        return _go_on(session, submission, item)
    if outcome.fault.owner is Owner.PLATFORM and item.attempt < max_attempts:
        log.error("work_failed_retrying", submission_id=str(submission.id), message=outcome.fault.message)
        leases.postpone(item, min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (item.attempt - 1)))
    else:
        leases.close(item, WorkState.FAILED)
        leases.fail(session, submission, outcome.fault)
    return Reported(accepted=True)


def _go_on(session: Session, submission: Submission, item: WorkItem) -> Reported:
    """Add what follows on `item`, which is done, unless other items of its stage are still to come."""
    if _write(session, item):
        return Reported(accepted=True)
    spec = specification(session.get_one(Competition, submission.competition_id))
    advance(session, submission, spec)
    if submission.state != SubmissionState.SCORING:
        chunks = -(-submission.runs_total // spec.evaluation.chunk_runs)
        return Reported(accepted=True, waits=Stage.RUN, count=chunks)
    if (wall_left_s(session, submission.id, submission.generation, spec.limits) or 0.0) < 0:
        leases.fail(session, submission, Fault(code=FaultCode.TIMEOUT))
    return Reported(accepted=True, waits=Stage.SCORE, count=1)


def _write(session: Session, item: WorkItem) -> bool:
    """Write what changed in `item`, which leaves the session, and say whether others of its stage are still open.

    The answer is true: the submission is locked already, so its other outcomes are either seen or yet to come.
    """
    state = inspect(item)
    changes = {name: getattr(item, name) for name in set(state.mapper.column_attrs.keys()) - state.unmodified}
    session.expunge(item)
    values = {"item_id": item.id} | {f"new_{name}": value for name, value in changes.items()}
    return session.connection().execute(_write_item(frozenset(changes)), values).scalar_one()


@cache
def _write_item(changed: frozenset[str]) -> ReturningUpdate[bool]:
    other = aliased(WorkItem)
    last_open = (
        select(other.id)
        .where(
            other.submission_id == WorkItem.submission_id,
            other.generation == WorkItem.generation,
            other.stage == WorkItem.stage,
            other.state.in_(_OPEN),
            other.id != WorkItem.id,
        )
        .order_by(other.chunk.desc())  # the first are done first
        .limit(literal_column("1"))
    )
    return (
        update(WorkItem)
        .where(WorkItem.id == bindparam("item_id"))
        .values({name: bindparam(f"new_{name}") for name in changed})
        .returning(last_open.scalar_subquery().is_not(None))
    )


def _held(
    session: Session, work_id: UUID, token: int, key_digest: str, *, locked: tuple[type[Entity], ...]
) -> tuple[WorkItem, Submission] | None:
    """The item and its submission if this key's claim of the item is the last one, expired or not.

    None when it has ended or was given away. The rows of `locked` are locked in that order. Raises WorkerKeyInvalid.
    """
    named = {"work_id": work_id, "token": token, "key_digest": key_digest}
    found = session.execute(_held_item(locked), named).one_or_none()
    if found is None:
        require_worker_key(session, key_digest)
        return None
    return found.WorkItem, found.Submission


@cache
def _held_item(locked: tuple[type[Entity], ...]) -> Select[WorkItem, Submission]:
    key_id = select(WorkerKey.id).where(WorkerKey.digest == bindparam("key_digest")).scalar_subquery()
    return (
        select(WorkItem, Submission)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(
            WorkItem.id == bindparam("work_id"),
            WorkItem.token == bindparam("token"),
            WorkItem.worker_key_id == key_id,
            WorkItem.state.in_(_OPEN),
        )
        .options(load_only(*_READ_OF_ITEMS), load_only(*_READ_OF_SUBMISSIONS))
        .with_for_update(of=locked)
    )
