"""How a submission ends: its state, its quota, its counts and its waiting work.

Every function runs inside one transaction of its caller.
"""

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation, Owner, Stage, SubmissionState, WorkState
from server.database import counters
from server.models import Submission, WorkItem
from server.models.times import utc_now

UNCHECKED = (SubmissionState.QUEUED, SubmissionState.CHECKING)


def end(session: Session, submission: Submission, state: SubmissionState) -> None:
    """Put `submission` into a terminal state now; its waiting work items leave the queue with it.

    What ended by a fault of Lethe's, by the host's decision or in the check stage does not count against the quota,
    and final evaluations never do.
    """
    failed_check = state is SubmissionState.FAILED and submission.state in UNCHECKED
    is_refunded = submission.owner in {Owner.PLATFORM, Owner.HOST} or failed_check
    submission.is_charged = submission.evaluation == Evaluation.PUBLIC and not is_refunded
    submission.state = state
    submission.finished_at = utc_now()
    if state is SubmissionState.SCORED:
        submission.runs_shown = submission.runs_total
    drop_items(session, submission)
    counters.add(session, counters.RUNS, runs_stored(session, submission))  # once, not at every outcome
    counters.add_outcome(session, state=state, owner=submission.owner, code=submission.fault_code)
    counters.add_state(session, submission.competition_id, state)
    session.flush()


def drop_items(session: Session, submission: Submission) -> None:
    """Take the waiting items of a submission that has ended out of the queue."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.submission_id == submission.id, WorkItem.state == WorkState.READY)
        .values(state=WorkState.FAILED)
    )


def runs_stored(session: Session, submission: Submission) -> int:
    """How many runs of the submission's generation are finished and stored."""
    return _runs_stored(session, Submission.id == submission.id)


def runs_stored_of_live(session: Session) -> int:
    """How many runs are stored of all submissions that have not ended; in these two states they have some."""
    return _runs_stored(session, Submission.state.in_([SubmissionState.RUNNING, SubmissionState.SCORING]))


def _runs_stored(session: Session, of_submissions: ColumnElement[bool]) -> int:
    session.flush()
    is_done = WorkItem.state == WorkState.DONE
    items = (
        select(WorkItem)
        .join(Submission, Submission.id == WorkItem.submission_id)
        .where(of_submissions, WorkItem.generation == Submission.generation, WorkItem.stage == Stage.RUN)
    )
    whole = session.scalar(items.where(is_done).with_only_columns(func.sum(WorkItem.run_count))) or 0
    begun = session.scalars(
        items.where(~is_done, WorkItem.claimed_at.is_not(None)).with_only_columns(WorkItem.finished)
    )
    return whole + sum(len(records) for records in begun)
