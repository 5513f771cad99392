"""The next job for a worker: chosen in the fair order, leased, and complete.

Every function runs inside one transaction of its caller.
"""

from sqlalchemy import update
from sqlalchemy.orm import Session

from evaluator.contract.states import Stage, SubmissionState
from evaluator.contract.work import Job
from server.logs import get_logger
from server.models import Competition, Submission
from server.models.times import utc_now
from server.queue import fair_order, leases, workers
from server.queue.jobs import JobParts, build_job
from server.queue.wall_time import wall_left_s

log = get_logger(__name__)

_STAGE_STATES = {Stage.CHECK: SubmissionState.CHECKING, Stage.RUN: SubmissionState.RUNNING}
_LINES = {Stage.CHECK: Competition.checks_served_at, Stage.RUN: Competition.runs_served_at}


def claim(
    session: Session, name: str, key_digest: str, *, lease_s: float, max_attempts: int, server_backend: str
) -> Job | None:
    """The next job for a worker in the fair order, leased to it, or None when there is nothing that it can do.

    While anything waits, expired leases are left to the sweeper. Raises WorkerKeyInvalid, WorkerUnknown and
    UnsafeWorker.
    """
    worker, waiting = fair_order.find_waiting(session, key_digest, name)
    workers.require_isolation(worker.capabilities, server_backend)
    if not waiting and leases.expire_leases(session, max_attempts=max_attempts):
        session.flush()
        _, waiting = fair_order.find_waiting(session, key_digest, name)
    for turn in fair_order.turns(session, waiting):
        parts = leases.lease_first(
            session,
            fair_order.first_item(turn.stage),
            JobParts.columns(),
            {"of_competition": turn.competition_id},
            worker=worker.name,
            worker_key_id=worker.worker_key_id,
            sandbox_mode=worker.capabilities.sandbox_mode,
            lease_s=lease_s,
        )
        if parts is not None:
            return _take_up(session, JobParts(*parts), turn, lease_s=lease_s)
    return None


def _take_up(session: Session, parts: JobParts, turn: fair_order.Turn, *, lease_s: float) -> Job:
    """The job of an item that was leased; its competition goes to the end of the line for this stage."""
    state = _STAGE_STATES[turn.stage]
    if parts.submission_state != state:
        session.execute(update(Submission).where(Submission.id == parts.submission_id).values(state=state))
    if turn.has_others_behind:
        served_at = {_LINES[turn.stage]: utc_now()}
        session.execute(update(Competition).where(Competition.id == turn.competition_id).values(served_at))
    log.info(
        "work_claimed",
        submission_id=str(parts.submission_id),
        work_id=str(parts.work_id),
        stage=turn.stage,
        chunk=parts.chunk,
        worker=parts.worker,
    )
    left_s = None
    if turn.stage is Stage.RUN:
        left_s = wall_left_s(session, parts.submission_id, parts.generation, parts.specification.limits)
    return build_job(parts, lease_s=lease_s, wall_left_s=left_s)
