"""Routes of the analysis: forgetting against utility of all submissions, and two submissions side by side."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.server.accounts.roles import is_host
from lethe.server.competitions import service as competitions
from lethe.server.competitions.disclosure import Viewer, round_score, visibility
from lethe.server.competitions.phases import phase, shown_first
from lethe.server.context import AppContext
from lethe.server.errors import NotFound
from lethe.server.leaderboard.score_queries import AnalysedScore, analysed_scores, ceiling_parts
from lethe.server.models import Competition, OverviewPlot
from lethe.server.pages.analysis.comparison import compare
from lethe.server.pages.analysis.view import analysis_page
from lethe.server.pages.card import card
from lethe.server.pages.pictures import plot_response
from lethe.server.pages.rendering import render_page
from lethe.server.plots.stored_plots import StoredPlot, stored_plot
from lethe.server.security.sessions import OptionalVisitor, Visitor
from lethe.server.teams.service import find_team

router = APIRouter(include_in_schema=False)


class AnalysisHidden(NotFound):
    """Before the reveal only hosts see the parts of scores."""

    code = "analysis_hidden"
    title = "No analysis yet"


@router.get("/competitions/{slug}/analysis")
def analysis(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation | None = None,
    a: Annotated[UUID | None, Query()] = None,
    b: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Show the analysis: to hosts always, to everybody after the reveal, when it is first that of the final scores."""
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        view = view or shown_first(competition)
        _require_visible(session, competition, view, visitor)
        scores = analysed_scores(session, competition.id, view)
        shown = analysis_page(
            card(competitions.row(session, competition)),
            view,
            scores,
            _plot(session, competition, view),
            left=str(a or ""),
            right=str(b or ""),
            comparison=compare(session, competition, view, a, b) if a and b and a != b else None,
            ceiling=_ceiling(session, competition, view),
            addresses=_addresses(session, competition, visitor, scores),
        )
    return render_page(request, "analysis/analysis.html", shown, visitor)


@router.get("/competitions/{slug}/analysis/{view}.svg")
def overview(slug: str, view: Evaluation, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Return the plot of all submissions, under the same rule as the page."""
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        _require_visible(session, competition, view, visitor)
        plot = _plot(session, competition, view)
    return plot_response(request, plot)


def _ceiling(session: Session, competition: Competition, view: Evaluation) -> tuple[float, float] | None:
    """Return forgetting quality and utility of the ceiling, rounded, or None without one."""
    found = ceiling_parts(session, competition.id, view)
    return None if found is None else (round_score(found[0]), round_score(found[1]))


def _addresses(
    session: Session, competition: Competition, visitor: Visitor | None, scores: Sequence[AnalysedScore]
) -> dict[str, str]:
    """Return the pages of the submissions that the visitor may open: all of them for hosts, a team's own."""
    if visitor is None:
        return {}
    if is_host(session, competition, visitor.user):
        return {str(one.submission_id): f"/submissions/{one.submission_id}" for one in scores}
    team = find_team(session, competition, visitor.user)
    own = [one for one in scores if team is not None and one.team == team.name]
    return {str(one.submission_id): f"/submissions/{one.submission_id}" for one in own}


def _require_visible(session: Session, competition: Competition, view: Evaluation, visitor: Visitor | None) -> None:
    is_hosts = visitor is not None and is_host(session, competition, visitor.user)
    visible = visibility(Viewer.HOST if is_hosts else Viewer.STRANGER, phase(competition))
    if view is Evaluation.BENCHMARK:
        raise AnalysisHidden("A benchmark shows scores and ranks only.")
    if not visible.metric or (view is Evaluation.FINAL and not visible.final):
        raise AnalysisHidden("Only hosts see the analysis before the final results are revealed.")


def _plot(session: Session, competition: Competition, view: Evaluation) -> StoredPlot | None:
    row = session.get(OverviewPlot, (competition.id, view))
    return stored_plot(None if row is None else row.plot)
