"""The progress of hidden runs that the team sees, as the leak policy allows it.

Every function runs inside one transaction of its caller.
"""

from sqlalchemy.orm import Session

from lethe.server.competitions.disclosure import may_move_progress, moved_progress
from lethe.server.competitions.service import clock_step_s, specification
from lethe.server.lifecycle.work import runs_stored
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now


def show_progress(session: Session, submission: Submission) -> None:
    """Move the progress that the team sees, as far and as often as the leak policy allows."""
    now = utc_now()
    step_s = clock_step_s(session, specification(session.get_one(Competition, submission.competition_id)))
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
        submission.runs_shown_before = submission.runs_shown
        submission.runs_shown, submission.runs_shown_at = moved, now
