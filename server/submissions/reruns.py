"""Evaluating a submission again: the same file, a new generation."""

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation, SubmissionState
from lethe.server.audit_log.events import record
from lethe.server.competitions.service import require_photographs, specification
from lethe.server.errors import Conflict
from lethe.server.lifecycle import submissions
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.models import Competition, Submission
from lethe.server.queue.estimates import deadline
from lethe.server.queue.planning import advance


class SubmissionNotEnded(Conflict):
    """A rerun needs a submission that has ended."""

    code = "submission_not_ended"
    title = "Submission has not ended"


def rerun(session: Session, submission: Submission, *, fresh_seeds: bool, actor: str | None = None) -> None:
    """Open a new generation of an ended submission; its score stays on the board until the new one is there.

    `submission` must be locked. Raises SubmissionNotEnded and PhotographsDeleted.
    """
    if not SubmissionState(submission.state).is_terminal:
        raise SubmissionNotEnded(f"The submission is {submission.state}; cancel it or wait until it has ended.")
    competition = session.get_one(Competition, submission.competition_id)
    require_photographs(competition)
    submissions.forget_end(session, submission)
    submission.generation += 1
    submission.stopped_after = None
    submission.seed_epoch += fresh_seeds
    submission.runs_shown, submission.runs_shown_before, submission.runs_shown_at = 0, 0, None
    if submission.evaluation != Evaluation.FINAL:
        submission.check_report = None
    spec = specification(competition)
    submission.deadline_at = deadline(spec)
    advance(session, submission, spec, OfSubmission.RERUN)
    record(
        session, "submission.rerun", str(submission.id), actor=actor, competition=competition, fresh_seeds=fresh_seeds
    )
