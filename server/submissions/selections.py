"""Which of its submissions a team has chosen for the final evaluation."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation, SubmissionState
from server.competitions.phases import require_not_over
from server.competitions.service import specification
from server.errors import Conflict
from server.models import Competition, Submission, Team
from server.models.times import utc_now

UNSELECTABLE = (SubmissionState.FAILED, SubmissionState.CANCELLED)


class NotSelectable(Conflict):
    """What ended without a score has nothing to be evaluated again."""

    code = "not_selectable"
    title = "Submission cannot be selected"


class SelectionsFull(Conflict):
    """The team has chosen as many as it may."""

    code = "selections_full"
    title = "All selections are used"


def select_submission(session: Session, submission: Submission) -> None:
    """Choose `submission` for the final evaluation; nothing changes if it was chosen.

    Raises CompetitionClosed after the close, NotSelectable and SelectionsFull.
    """
    competition = _open_for_selection(session, submission)
    if submission.selected_at is not None:
        return
    if submission.state in UNSELECTABLE:
        raise NotSelectable(f"The submission is {submission.state}; only one with a score to come or to keep counts.")
    limit = specification(competition).evaluation.final_selections
    chosen = session.scalar(
        select(func.count()).where(
            Submission.team_id == submission.team_id,
            Submission.evaluation == Evaluation.PUBLIC,
            Submission.selected_at.is_not(None),
            Submission.state.not_in(UNSELECTABLE),
        )
    )
    if (chosen or 0) >= limit:
        raise SelectionsFull(f"Your team has chosen {limit} submissions already. Take one back first: POST …/unselect.")
    submission.selected_at = utc_now()


def unselect_submission(session: Session, submission: Submission) -> None:
    """Take the choice of `submission` back; nothing changes if it was not chosen. Raises CompetitionClosed."""
    _open_for_selection(session, submission)
    submission.selected_at = None


def _open_for_selection(session: Session, submission: Submission) -> Competition:
    session.execute(select(Team.id).where(Team.id == submission.team_id).with_for_update())
    competition = session.get_one(Competition, submission.competition_id)
    require_not_over(competition)
    return competition
