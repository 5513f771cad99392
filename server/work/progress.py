"""How far hidden runs are: for the team, as the leak policy lets it, and for the operator's counts.

Every function runs inside one transaction of its caller.
"""

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import Stage, SubmissionState, WorkState
from server.competitions.service import specification
from server.db import utc_now
from server.leaks import may_move_progress, moved_progress
from server.models import Competition, Submission, WorkItem


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


def show_progress(session: Session, submission: Submission) -> None:
    """Move what the team sees of the finished hidden runs, as far and as often as the leak policy lets it."""
    now = utc_now()
    step_s = specification(session.get_one(Competition, submission.competition_id)).leaks.step_s
    if not may_move_progress(submission.runs_shown_at, now=now, step_s=step_s):
        return
    moved = moved_progress(
        submission.runs_shown,
        submission.runs_shown_at,
        done=runs_stored(session, submission),
        total=submission.runs_total,
        now=now,
        step_s=step_s,
    )
    if moved is not None:
        submission.runs_shown, submission.runs_shown_at = moved, now
