"""The next job for a worker: chosen in the fair order, leased, and complete.

Every function runs inside one transaction of its caller.
"""

from functools import cache
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, load_only

from evaluator.contract.states import Stage, SubmissionState
from evaluator.contract.work import Job
from server.competitions.service import specification
from server.db import utc_now
from server.logs import get_logger
from server.models import Competition, Submission, WorkItem
from server.work import leases, queue, workers
from server.work.allowance import wall_left_s
from server.work.jobs import build_job

log = get_logger(__name__)

_READ_OF_SUBMISSIONS = (
    Submission.competition_id,
    Submission.request_id,
    Submission.evaluation,
    Submission.source_key,
    Submission.source_sha256,
    Submission.state,
    Submission.check_report,
    Submission.generation,
    Submission.seed_epoch,
)
_READ_OF_COMPETITIONS = (
    Competition.specification,
    Competition.dossier,
    Competition.secret,
    Competition.final_secret,
)
_STAGE_STATES = {Stage.CHECK: SubmissionState.CHECKING, Stage.RUN: SubmissionState.RUNNING}


def claim(
    session: Session, name: str, key_digest: str, *, lease_s: float, max_attempts: int, server_backend: str
) -> Job | None:
    """The next job for a worker in the fair order, leased to it, or None when there is nothing that it can do.

    While anything waits, expired leases are left to the sweeper. Raises WorkerKeyInvalid, WorkerUnknown and
    UnsafeWorker.
    """
    worker, waiting = queue.find_waiting(session, key_digest, name)
    workers.require_isolation(worker.capabilities, server_backend)
    if not waiting and leases.expire_leases(session, max_attempts=max_attempts):
        session.flush()
        _, waiting = queue.find_waiting(session, key_digest, name)
    for turn in queue.turns(session, waiting):
        work_id = leases.lease_first(
            session,
            queue.first_item(turn.stage),
            {"of_competition": turn.competition_id},
            worker=worker.name,
            worker_key_id=worker.worker_key_id,
            sandbox_mode=worker.capabilities.sandbox_mode,
            lease_s=lease_s,
        )
        if work_id is not None:
            return _take_up(session, work_id, turn, lease_s=lease_s)
    return None


def _take_up(session: Session, work_id: UUID, turn: queue.Turn, *, lease_s: float) -> Job:
    """The job of the item `work_id`, which was leased; its competition goes to the end of the line for this stage."""
    item, submission, competition = session.execute(_leased(), {"work_id": work_id}).one()
    if turn.has_others_behind:
        if turn.stage is Stage.CHECK:
            competition.checks_served_at = utc_now()
        else:
            competition.runs_served_at = utc_now()
    submission.state = _STAGE_STATES[turn.stage]
    log.info(
        "work_claimed",
        submission_id=str(submission.id),
        work_id=str(item.id),
        stage=item.stage,
        chunk=item.chunk,
        worker=item.worker,
    )
    spec = specification(competition)
    left_s = wall_left_s(session, submission, spec.limits) if turn.stage is Stage.RUN else None
    return build_job(item, submission, competition, spec, lease_s=lease_s, wall_left_s=left_s)


@cache  # making a statement costs as much time as PostgreSQL takes for it
def _leased() -> Select[WorkItem, Submission, Competition]:
    """An item and what it belongs to, of that as much as a job is made of."""
    return (
        select(WorkItem, Submission, Competition)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .join(Competition, Competition.id == WorkItem.competition_id)
        .where(WorkItem.id == bindparam("work_id"))
        .options(load_only(*_READ_OF_SUBMISSIONS), load_only(*_READ_OF_COMPETITIONS))
        .execution_options(populate_existing=True)
    )
