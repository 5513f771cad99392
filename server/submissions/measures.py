"""Who sees the measures of a submission's score, and who has all of them computed."""

from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.measures.measurements import from_document
from lethe.server.accounts.roles import is_host
from lethe.server.competitions.disclosure import visibility
from lethe.server.competitions.phases import phase_of
from lethe.server.competitions.service import require_photographs
from lethe.server.errors import NotFound
from lethe.server.leaderboard.measures import MeasuresView, measures_view
from lethe.server.leaderboard.score_queries import current_score, reference_rows
from lethe.server.models import Competition, Score, Submission, User
from lethe.server.submissions.service import SubmissionNotFound, get_shown


class MeasuresHidden(NotFound):
    """Before the reveal only hosts see measures."""

    code = "measures_hidden"
    title = "No measures yet"


class NotScored(NotFound):
    """There is nothing to measure."""

    code = "not_scored"
    title = "Not scored yet"


def shown_measures(session: Session, submission_id: UUID, user: User) -> MeasuresView:
    """Return the measures of the submission's score: exact for a host, rounded for its team after the reveal.

    Raises SubmissionNotFound, MeasuresHidden and NotScored.
    """
    submission, viewer = get_shown(session, submission_id, user)
    competition = session.get_one(Competition, submission.competition_id)
    visible = visibility(viewer, phase_of(competition, submission.evaluation))
    if not visible.metric:
        raise MeasuresHidden(
            "Measures are shown after the host reveals the final results; those of a benchmark never are."
        )
    return measures_view(session, _score(session, submission), exact=visible.exact)


def ask_for_measures(session: Session, submission_id: UUID, user: User) -> Submission:
    """Have `control` compute all measures of the submission's score, and those of ceiling and floor beside it.

    Raises as above for all but hosts, and PhotographsDeleted.
    """
    submission = session.get(Submission, submission_id)
    competition = None if submission is None else session.get_one(Competition, submission.competition_id)
    if submission is None or competition is None or not is_host(session, competition, user):
        raise SubmissionNotFound("You host no competition that has a submission with this id.")
    require_photographs(competition)
    for score in (_score(session, submission), *reference_rows(session, competition.id, submission.evaluation)):
        if not from_document(score.measures).is_complete:
            score.measures_asked = True
    return submission


def _score(session: Session, submission: Submission) -> Score:
    score = current_score(session, submission)
    if score is None:
        raise NotScored("This submission has no score, so nothing can be measured yet.")
    return score
