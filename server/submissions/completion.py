"""Completing a submission that a look has stopped: its runs stay, the others follow, and no look stops it again."""

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.audit_log.events import record
from lethe.server.competitions.phases import require_not_over
from lethe.server.competitions.service import require_photographs, specification
from lethe.server.errors import Conflict
from lethe.server.lifecycle import submissions
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.queue.estimates import deadline
from lethe.server.queue.planning import advance
from lethe.server.submissions import queries
from lethe.server.submissions.quotas import day_start, next_reset

PER_DAY = 1


class NotStopped(Conflict):
    """Only a submission that a look has stopped can be completed."""

    code = "not_stopped"
    title = "Submission was not stopped"


class CompletionUsed(Conflict):
    """The team has completed as many submissions today as it may."""

    code = "completion_used"
    title = "No completion left today"


def complete(session: Session, submission: Submission, *, actor: str | None = None) -> None:
    """Let a stopped submission, which must be locked, run whole, as a host.

    Raises NotStopped and PhotographsDeleted.
    """
    runs = submission.stopped_after
    _complete(session, submission)
    competition = session.get_one(Competition, submission.competition_id)
    record(session, "submission.complete", str(submission.id), actor=actor, competition=competition, after=runs)


def complete_own(session: Session, submission: Submission) -> None:
    """Let a stopped submission run whole, as its team; once a day.

    Raises NotStopped, CompletionUsed, CompetitionClosed and PhotographsDeleted.
    """
    queries.lock_team(session, submission.team_id)
    session.refresh(submission, with_for_update=True)  # it may have been completed in the meantime
    require_not_over(session.get_one(Competition, submission.competition_id))
    _require_stopped(submission)
    if queries.count_completed.rows(session, team_id=submission.team_id, day_start=day_start()).scalar_one() >= PER_DAY:
        raise CompletionUsed(
            f"Your team has completed {PER_DAY} submission today. You may complete the next one from "
            f"{next_reset():%Y-%m-%d %H:%M} UTC on; selecting a submission for the finals completes it at any time."
        )
    submission.completed_at = utc_now()
    _complete(session, submission)


def complete_selected(session: Session, submission: Submission) -> None:
    """Let a submission that its team selects run whole if it was stopped."""
    if submission.stopped_after is not None and submission.state == SubmissionState.SCORED:
        _complete(session, submission)


def _complete(session: Session, submission: Submission) -> None:
    _require_stopped(submission)
    competition = session.get_one(Competition, submission.competition_id)
    require_photographs(competition)
    submissions.forget_stop(session, submission)
    spec = specification(competition)
    submission.deadline_at = deadline(spec)
    advance(session, submission, spec, OfSubmission.COMPLETED)


def _require_stopped(submission: Submission) -> None:
    if submission.stopped_after is None or submission.state != SubmissionState.SCORED:
        raise NotStopped(
            f"The submission is {submission.state} and was not stopped early: there is nothing to complete."
        )
