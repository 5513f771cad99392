"""What the host, and after the reveal everybody of the team, sees of how a score came about: parts, warnings, plots."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from server.competitions.disclosure import Viewer, visibility
from server.competitions.phases import phase
from server.context import AppContext
from server.models import Competition, Score, Submission
from server.pages import texts
from server.pages.formatting import Fact, score_text
from server.pages.pictures import PlotView, picture, plot_view
from server.pages.rendering import READ
from server.pages.submission.view import ScoreEvidence
from server.plots.stored_plots import StoredPlot, stored_plots
from server.security.sessions import RequiredVisitor
from server.submissions import queries
from server.submissions.service import get_shown
from server.submissions.views import current_score

router = APIRouter(include_in_schema=False)


def evidence(
    session: Session, competition: Competition, submission: Submission, viewer: Viewer
) -> tuple[ScoreEvidence, ...]:
    """Of the submission, and of its final evaluation where `viewer` may see that; nothing in hidden phases."""
    visible = visibility(viewer, phase(competition))
    if not visible.metric:
        return ()
    evaluated = [submission]
    if visible.final and submission.origin_id is None:
        evaluated += queries.final_evaluations(session, submission.id)
    shown = [(one, current_score(session, one)) for one in evaluated]
    return tuple(_evidence(one, score) for one, score in shown if score is not None)


def _evidence(submission: Submission, score: Score) -> ScoreEvidence:
    return ScoreEvidence(
        title=texts.EVIDENCE[Evaluation(submission.evaluation)],
        parts=(
            Fact(texts.FORGETTING, score_text(score.forgetting_quality)),
            Fact(texts.RETAIN_RATIO, score_text(score.retain_ratio)),
            Fact(texts.TEST_RATIO, score_text(score.test_ratio)),
        ),
        warnings=tuple(finding["message"] for finding in score.receipt.get("findings", ())),
        plots=tuple(_plot(submission, plot) for plot in stored_plots(score.plots)),
        is_pending=score.plots is None,
    )


def _plot(submission: Submission, plot: StoredPlot) -> PlotView:
    return plot_view(plot, f"/submissions/{submission.id}/plots/{plot.name}.svg")


@router.api_route("/submissions/{submission_id}/plots/{name}.svg", methods=READ)
def plot(submission_id: UUID, name: str, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """A plot as an SVG."""
    with context.database.read() as session:
        submission, viewer = get_shown(session, submission_id, visitor.user)
        competition = session.get_one(Competition, submission.competition_id)
        score = current_score(session, submission)
        is_shown = score is not None and visibility(viewer, phase(competition)).metric
        found = [one for one in stored_plots(score.plots) if one.name == name] if score and is_shown else []
    return picture(request, found[0] if found else None)
