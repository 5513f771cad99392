"""Which of its submissions a team has chosen for the final evaluation."""

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.competitions.phases import require_not_over
from lethe.server.competitions.service import specification
from lethe.server.errors import Conflict
from lethe.server.models import Competition, Submission
from lethe.server.models.times import utc_now
from lethe.server.submissions import queries
from lethe.server.submissions.completion import complete_selected

WHY_NOT: dict[str, str] = {SubmissionState.FAILED: "failed", SubmissionState.CANCELLED: "was cancelled"}


class NotSelectable(Conflict):
    """A submission without a score to come or to keep cannot be selected."""

    code = "not_selectable"
    title = "Submission cannot be selected"


class SelectionsFull(Conflict):
    """The team has chosen as many submissions as it may."""

    code = "selections_full"
    title = "All selections are used"


def select_submission(session: Session, submission: Submission) -> None:
    """Choose `submission` for the final evaluation; nothing changes if it was chosen. One that was stopped runs whole.

    A selected submission that has failed or was cancelled does not count. Once all selections are used, it is no longer
    selected, so that a rerun which succeeds does not give the team one more than its limit.
    Raises CompetitionClosed after the close, NotSelectable and SelectionsFull.
    """
    competition = _lock_for_selection(session, submission)
    if submission.selected_at is not None:
        return
    if submission.state in queries.UNSELECTABLE:
        raise NotSelectable(
            f"Only scored or running submissions can be selected; this one {WHY_NOT[submission.state]}."
        )
    limit = specification(competition).evaluation.final_selections
    chosen = queries.count_selected.rows(session, team_id=submission.team_id).scalar_one()
    if chosen >= limit:
        names = ", ".join(f"{str(one.id)[:8]} {one.filename}" for one in queries.selected(session, submission.team_id))
        raise SelectionsFull(f"Your team has selected {limit} already: {names}. Unselect one first.")
    if chosen + 1 == limit:
        for lost in queries.selected_without_score(session, submission.team_id):
            lost.selected_at = None
    submission.selected_at = utc_now()
    complete_selected(session, submission)


def unselect_submission(session: Session, submission: Submission) -> None:
    """Take the choice of `submission` back; nothing changes if it was not chosen. Raises CompetitionClosed."""
    _lock_for_selection(session, submission)
    submission.selected_at = None


def _lock_for_selection(session: Session, submission: Submission) -> Competition:
    queries.lock_team(session, submission.team_id)
    session.refresh(submission, with_for_update=True)
    competition = session.get_one(Competition, submission.competition_id)
    require_not_over(competition)
    return competition
