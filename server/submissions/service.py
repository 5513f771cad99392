"""Rules of submissions: whose they are, how they end, and what that costs."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation, Owner, SubmissionState
from server.accounts.roles import is_host
from server.audit_log.events import record, user_actor
from server.competitions.disclosure import Viewer, visibility
from server.competitions.phases import phase
from server.errors import Conflict, NotFound
from server.http.paging import fetch_page
from server.lifecycle import submissions
from server.models import Competition, Submission, TeamMember, User
from server.teams.service import find_team


class SubmissionNotFound(NotFound):
    """Does not exist, or belongs to another team."""

    code = "submission_not_found"
    title = "No such submission"


class SubmissionEnded(Conflict):
    """Only what is not yet ended can be cancelled."""

    code = "submission_ended"
    title = "Submission has ended"


def get_own(session: Session, submission_id: UUID, user: User) -> Submission:
    """The submission if it is the user's team's; raises SubmissionNotFound for every other."""
    submission = _find_own(session, submission_id, user)
    if submission is None:
        raise SubmissionNotFound("You have no submission with this id.")
    return submission


def get_shown(session: Session, submission_id: UUID, user: User) -> tuple[Submission, Viewer]:
    """The submission, and as whom the user sees it: as its team, which sees finals after the reveal, or as a host.

    Raises SubmissionNotFound for everybody else.
    """
    submission = session.get(Submission, submission_id)
    if submission is not None:
        competition = session.get_one(Competition, submission.competition_id)
        public_id = submission.origin_id or submission.id
        is_visible = submission.origin_id is None or visibility(Viewer.TEAM, phase(competition)).final
        if is_visible and _find_own(session, public_id, user) is not None:
            return submission, Viewer.TEAM
        if is_host(session, competition, user):
            return submission, Viewer.HOST
    raise SubmissionNotFound("You have no submission with this id.")


def get_cancellable(session: Session, submission_id: UUID, user: User) -> tuple[Submission, Owner]:
    """The submission, locked, and who ends it: its team, or else a host of its competition, which is recorded.

    Raises SubmissionNotFound for everybody else.
    """
    submission = session.get(Submission, submission_id, with_for_update=True)
    if submission is not None and _find_own(session, submission_id, user) is not None:
        return submission, Owner.PARTICIPANT
    competition = None if submission is None else session.get_one(Competition, submission.competition_id)
    if submission is None or competition is None or not is_host(session, competition, user):
        raise SubmissionNotFound("You have no submission with this id.")
    record(session, "submission.cancel", str(submission_id), actor=user_actor(user), competition=competition)
    return submission, Owner.HOST


def _find_own(session: Session, submission_id: UUID, user: User) -> Submission | None:
    return session.scalar(
        select(Submission)
        .join(TeamMember, TeamMember.team_id == Submission.team_id)
        .where(
            Submission.id == submission_id,
            Submission.evaluation == Evaluation.PUBLIC,  # a final evaluation is shown with the public one, in time
            TeamMember.user_id == user.id,
        )
    )


def list_own(
    session: Session, competition: Competition, user: User, *, cursor: str | None, limit: int
) -> tuple[list[Submission], str | None]:
    """A page of the team's submissions, newest first."""
    team = find_team(session, competition, user)
    if team is None:
        return [], None
    own = select(Submission).where(Submission.team_id == team.id, Submission.evaluation == Evaluation.PUBLIC)
    return fetch_page(session, own, Submission, cursor=cursor, limit=limit)


def list_recent(session: Session, user: User, *, limit: int) -> list[Submission]:
    """The newest submissions of all of the user's teams."""
    return list(
        session.scalars(
            select(Submission)
            .join(TeamMember, TeamMember.team_id == Submission.team_id)
            .where(TeamMember.user_id == user.id, Submission.evaluation == Evaluation.PUBLIC)
            .order_by(Submission.created_at.desc(), Submission.id)
            .limit(limit)
        )
    )


def cancel(session: Session, submission: Submission, owner: Owner) -> None:
    """End a live submission by the decision of its team or of the host; workers learn it from their next heartbeat."""
    if SubmissionState(submission.state).is_terminal:
        raise SubmissionEnded(f"The submission is {submission.state} already.")
    submissions.cancel(session, submission, owner)
