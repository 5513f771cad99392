"""What the host, and after the reveal everybody of the team, sees of how a score came about: parts, warnings, plots."""

from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from server.competitions.phases import phase
from server.context import AppContext
from server.errors import NotFound
from server.leaks import Viewer, sight
from server.models import Competition, Score, Submission
from server.pages.formatting import score_text
from server.pages.rendering import READ, SECURITY_HEADERS, is_known
from server.pages.submission_page import Evidence, PlotView
from server.pages.texts import Fact
from server.plots.stored import StoredPlot, stored_plots
from server.sessions import RequiredVisitor
from server.submissions.service import get_shown
from server.submissions.views import current_score

router = APIRouter(include_in_schema=False)

TITLES = {Evaluation.PUBLIC: "How the score came about", Evaluation.FINAL: "How the final score came about"}
# A picture that is opened by itself may colour itself, and do nothing else.
PICTURE_POLICY = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


class PlotNotFound(NotFound):
    """There is no such plot, or not yet, or not for this visitor."""

    code = "plot_not_found"
    title = "No such plot"


def evidence(
    session: Session, competition: Competition, submission: Submission, viewer: Viewer
) -> tuple[Evidence, ...]:
    """Of the submission, and of its final evaluation where `viewer` may see that; nothing in hidden phases."""
    seen = sight(viewer, phase(competition))
    if not seen.metric:
        return ()
    evaluated = [submission]
    if seen.final and submission.origin_id is None:
        evaluated += session.scalars(select(Submission).where(Submission.origin_id == submission.id))
    shown = [(one, current_score(session, one)) for one in evaluated]
    return tuple(_evidence(one, score) for one, score in shown if score is not None)


def _evidence(submission: Submission, score: Score) -> Evidence:
    return Evidence(
        title=TITLES[Evaluation(submission.evaluation)],
        parts=(
            Fact("Forgetting quality", score_text(score.forgetting_quality)),
            Fact("Retain accuracy over the oracles'", score_text(score.retain_ratio)),
            Fact("Test accuracy over the oracles'", score_text(score.test_ratio)),
        ),
        warnings=tuple(finding["message"] for finding in score.receipt.get("findings", ())),
        plots=tuple(_plot(submission, plot) for plot in stored_plots(score.plots)),
        is_pending=score.plots is None,
    )


def _plot(submission: Submission, plot: StoredPlot) -> PlotView:
    address = f"/submissions/{submission.id}/plots/{plot.name}.svg?v={plot.svg.sha256[:12]}"
    return PlotView(address=address, title=plot.title, text=plot.text)


@router.api_route("/submissions/{submission_id}/plots/{name}.svg", methods=READ)
def plot(submission_id: UUID, name: str, request: Request, context: AppContext, visitor: RequiredVisitor) -> Response:
    """A plot as an SVG."""
    with context.database.read() as session:
        submission, viewer = get_shown(session, submission_id, visitor.user)
        competition = session.get_one(Competition, submission.competition_id)
        score = current_score(session, submission)
        is_shown = score is not None and sight(viewer, phase(competition)).metric
        found = [one for one in stored_plots(score.plots) if one.name == name] if score and is_shown else []
    if not found:
        raise PlotNotFound("There is no such plot of this submission.")
    tag = f'"{found[0].svg.sha256[:32]}"'
    headers = {**PICTURE_POLICY, "ETag": tag, "Cache-Control": "private, max-age=3600", "Vary": "Cookie"}
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(context.artifacts.get(found[0].svg), media_type="image/svg+xml", headers=headers)
