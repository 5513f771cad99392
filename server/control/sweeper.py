"""Finds lost work: sweeps over all submissions that have not ended, by one process at a time."""

from datetime import timedelta

from sqlalchemy.orm import Session

from lethe.evaluator.contract.faults import platform_fault
from lethe.evaluator.contract.states import Stage
from lethe.server.competitions.service import specification
from lethe.server.context import Context
from lethe.server.database import counters
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.logs import about_submission, get_logger
from lethe.server.models import Competition, Lease
from lethe.server.models.times import utc_now
from lethe.server.queue import queries, workers
from lethe.server.queue.leases import expire_leases
from lethe.server.queue.planning import advance, fail

log = get_logger(__name__)

SWEEPER = "sweeper"


def sweep(context: Context, holder: str) -> bool:
    """Expire silent leases, end what is overdue, restore missing items and delete workers that are long gone.

    Wakes workers and control when anything waits, so a broker that lost its messages costs one sweep. False if another
    process has the sweeper's lease.
    """
    settings = context.settings
    with context.database.write() as session:
        if not take_lease(session, SWEEPER, holder, seconds=3 * settings.sweep_s):
            return False
        counters.add(session, counters.SWEEPS)
        expire_leases(session, max_attempts=settings.max_attempts)
        end_overdue(session)
        restore_items(session)
        workers.delete_silent(session)
        waiting = queries.waiting_stages(session)
    if waiting & {Stage.CHECK, Stage.RUN}:
        context.wake.workers()
    if Stage.SCORE in waiting:
        context.wake.control()
    return True


def take_lease(session: Session, name: str, holder: str, *, seconds: float) -> bool:
    """Take or renew the lease `name` for `holder`; False if somebody else has it.

    A lease that ends later than any could is the work of a wrong clock, and taken over.
    """
    now, longest = utc_now(), timedelta(seconds=2 * seconds)
    lease = session.get(Lease, name, with_for_update=True)
    if lease is None:
        session.add(Lease(name=name, holder=holder, expires_at=now + timedelta(seconds=seconds)))
        return True
    if lease.holder != holder and now < lease.expires_at < now + longest:
        return False
    lease.holder = holder
    lease.expires_at = now + timedelta(seconds=seconds)
    return True


def give_back_lease(context: Context, holder: str) -> None:
    """End the sweeper's lease of `holder`, so that another process need not wait for its end."""
    with context.database.write() as session:
        lease = session.get(Lease, SWEEPER, with_for_update=True)
        if lease is not None and lease.holder == holder:
            lease.expires_at = utc_now()


def end_overdue(session: Session) -> None:
    """End live submissions past their deadline, as the platform's fault: they were accepted and not served."""
    for submission in queries.lock_overdue(session):
        with about_submission(submission.id, submission.request_id):
            log.error("submission_overdue", state=submission.state)
            fail(
                session,
                submission,
                OfSubmission.OVERDUE,
                platform_fault(f"it was still {submission.state} at its deadline"),
            )


def restore_items(session: Session) -> None:
    """Add the items of its state to every live submission that has no open item of its generation."""
    for submission in queries.lock_stranded(session):
        competition = session.get_one(Competition, submission.competition_id)
        with about_submission(submission.id, submission.request_id):
            advance(session, submission, specification(competition), OfSubmission.RESTORED)
