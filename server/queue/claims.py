"""The next job for a worker: chosen in the fair order, leased, and complete.

Every function runs inside one transaction of its caller.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Stage, SubmissionState
from lethe.evaluator.contract.work import Job
from lethe.server.lifecycle import submissions
from lethe.server.lifecycle.transitions import OfWorkItem
from lethe.server.logs import about_submission, get_logger
from lethe.server.models.times import utc_now
from lethe.server.queue import fair_order, leases, quarantine, queries, workers
from lethe.server.queue.jobs import JobParts, build_job
from lethe.server.queue.wall_time import wall_left_s

log = get_logger(__name__)


def claim(
    session: Session,
    name: str,
    key_digest: str,
    *,
    lease_s: float,
    max_attempts: int,
    server_backend: str,
) -> Job | None:
    """Lease the next item in the fair order to a worker and return its job, or None when there is none for it.

    While anything waits, expired leases are left to the sweeper. Raises WorkerKeyInvalid, WorkerUnknown, UnsafeWorker,
    WorkerDisabled and WorkerQuarantined.
    """
    worker, waiting = fair_order.find_waiting(session, key_digest, name)
    workers.require_isolation(worker.capabilities, server_backend)
    if not worker.may_work():
        return None
    if not waiting and leases.expire_leases(session, max_attempts=max_attempts):
        _, waiting = fair_order.find_waiting(session, key_digest, name)
    now, only = utc_now(), worker.capabilities.only
    for turn in fair_order.turns_in_order(session, waiting):
        if only is not None and turn.stage is not only:
            continue
        row = leases.claim_first(
            session,
            turn.stage,
            queries.job_columns(),
            of_competition=turn.competition_id,
            worker=worker.name,
            worker_key_id=worker.worker_key_id,
            sandbox_mode=worker.capabilities.sandbox_mode,
            lease_s=lease_s,
            of_worker=worker.name,
            of_worker_key=worker.worker_key_id,
            failed_since=now - timedelta(seconds=quarantine.LEFT_TO_OTHERS_S),
            seen_since=now - timedelta(seconds=workers.SILENCE_S),
        )
        if row is not None:
            return _begin(session, JobParts(**row._asdict()), turn, lease_s=lease_s)
    return None


def _begin(session: Session, parts: JobParts, turn: fair_order.Turn, *, lease_s: float) -> Job:
    """Return the job of an item that was leased; its competition goes to the end of the line for this stage."""
    if parts.submission_state == SubmissionState.QUEUED:
        submissions.begin_check(session, parts.submission_id)
    if turn.has_others_behind:
        queries.move_to_end_of_line.rows(session, turn.stage, competition_id=turn.competition_id, now=utc_now())
    with about_submission(parts.submission_id, parts.request_id):
        log.info(
            OfWorkItem.CLAIMED.event,
            work_id=str(parts.work_id),
            stage=turn.stage,
            chunk=parts.chunk,
            attempt=parts.attempt,
            worker=parts.worker,
        )
    left_s = None
    if turn.stage is Stage.RUN:
        left_s = wall_left_s(session, parts.submission_id, parts.generation, parts.specification.limits)
    return build_job(parts, lease_s=lease_s, wall_left_s=left_s)
