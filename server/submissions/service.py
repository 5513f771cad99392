"""Rules of submissions: whose they are, how they end, and what that costs."""

from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Owner, SubmissionState
from lethe.server.accounts.roles import is_host
from lethe.server.audit_log.events import record, user_actor
from lethe.server.competitions.disclosure import Viewer, visibility
from lethe.server.competitions.phases import phase
from lethe.server.database.paging import fetch_page
from lethe.server.errors import Conflict, NotFound
from lethe.server.lifecycle import submissions
from lethe.server.models import Competition, Submission, User
from lethe.server.submissions import queries
from lethe.server.teams.service import find_team


class SubmissionNotFound(NotFound):
    """Does not exist, or belongs to another team."""

    code = "submission_not_found"
    title = "No such submission"


class SubmissionEnded(Conflict):
    """Only a submission that has not ended can be cancelled."""

    code = "submission_ended"
    title = "Submission has ended"


def get_own(session: Session, submission_id: UUID, user: User) -> Submission:
    """Return the submission if the user's team sent it; raises SubmissionNotFound otherwise."""
    submission = queries.find_own(session, submission_id, user)
    if submission is None:
        raise SubmissionNotFound("You have no submission with this id.")
    return submission


def get_shown(session: Session, submission_id: UUID, user: User) -> tuple[Submission, Viewer]:
    """Return the submission and its viewer: its team, which sees finals after the reveal, or a host.

    Raises SubmissionNotFound for everybody else.
    """
    submission = session.get(Submission, submission_id)
    if submission is not None:
        competition = session.get_one(Competition, submission.competition_id)
        public_id = submission.origin_id or submission.id
        is_visible = submission.origin_id is None or visibility(Viewer.TEAM, phase(competition)).final
        if is_visible and queries.find_own(session, public_id, user) is not None:
            return submission, Viewer.TEAM
        if is_host(session, competition, user):
            return submission, Viewer.HOST
    raise SubmissionNotFound("You have no submission with this id.")


def get_cancellable(session: Session, submission_id: UUID, user: User) -> tuple[Submission, Owner]:
    """Return the submission, locked, and who ends it: its team, or a host of its competition, which is recorded.

    Raises SubmissionNotFound for everybody else.
    """
    submission = session.get(Submission, submission_id, with_for_update=True)
    if submission is not None and queries.find_own(session, submission_id, user) is not None:
        return submission, Owner.PARTICIPANT
    competition = None if submission is None else session.get_one(Competition, submission.competition_id)
    if submission is None or competition is None or not is_host(session, competition, user):
        raise SubmissionNotFound("You have no submission with this id.")
    record(session, "submission.cancel", str(submission_id), actor=user_actor(user), competition=competition)
    return submission, Owner.HOST


def list_own(
    session: Session, competition: Competition, user: User, *, cursor: str | None, limit: int
) -> tuple[list[Submission], str | None]:
    """Return a page of the submissions of the user's team, newest first, and the next cursor."""
    team = find_team(session, competition, user)
    if team is None:
        return [], None
    return fetch_page(session, queries.of_team(team), Submission, cursor=cursor, limit=limit)


def cancel(session: Session, submission: Submission, owner: Owner) -> None:
    """Cancel a submission that has not ended, for its team or a host; workers learn it from their next heartbeat."""
    if SubmissionState(submission.state).is_terminal:
        raise SubmissionEnded(f"The submission is {submission.state} already.")
    submissions.cancel(session, submission, owner)
