"""The analysis of a competition: forgetting against utility of every submission, and two submissions side by side."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from evaluator.contract.states import Evaluation
from server.accounts.roles import is_host
from server.competitions import service as competitions
from server.competitions.disclosure import Viewer, visibility
from server.competitions.phases import phase
from server.context import AppContext
from server.errors import NotFound
from server.leaderboard.queries import best_scores
from server.models import Competition, OverviewPlot
from server.pages import texts
from server.pages.analysis.comparison import Compared, compare
from server.pages.competition import view as views
from server.pages.formatting import score_text
from server.pages.pictures import PlotView, picture, plot_view
from server.pages.rendering import READ, page
from server.plots.stored_plots import StoredPlot, stored_plot
from server.security.sessions import OptionalVisitor, Visitor

router = APIRouter(include_in_schema=False)

LISTED = 10
"""Teams in the table beside the plot, as many as bear a number in it."""


class NothingToAnalyse(NotFound):
    """Before the reveal only hosts see what scores are made of."""

    code = "analysis_hidden"
    title = texts.NO_ANALYSIS


@dataclass(frozen=True)
class BestSubmission:
    """A team's best submission; `place` is its team's, 0 of a baseline."""

    id: str
    place: int
    team: str
    filename: str
    score: str
    forgetting: str
    utility: str


@dataclass(frozen=True)
class AnalysisPage:
    """The whole page; `listed` are the best teams, `choices` the submissions that can be compared."""

    card: views.Card
    plot: PlotView | None
    listed: tuple[BestSubmission, ...]
    evaluation: str
    has_final: bool
    choices: tuple[tuple[str, str], ...]
    left: str
    right: str
    compared: Compared | None


@router.api_route("/competitions/{slug}/analysis", methods=READ)
def analysis(
    slug: str,
    request: Request,
    context: AppContext,
    visitor: OptionalVisitor,
    view: Evaluation = Evaluation.PUBLIC,
    a: Annotated[UUID | None, Query()] = None,
    b: Annotated[UUID | None, Query()] = None,
) -> Response:
    """For the host always, and for everybody after the reveal."""
    with context.database.read() as session:
        competition = _shown(session, slug, view, visitor)
        best = _best(session, competition, view)
        plot = _plot(session, competition, view)
        compared = compare(session, competition, view, a, b) if a and b and a != b else None
        card = views.card(competitions.row(session, competition))
    choices = {one.id: f"{one.team}: {one.filename}, {one.score}" for one in best}
    if compared is not None:
        choices |= compared.choices
    found = AnalysisPage(
        card=card,
        plot=None if plot is None else plot_view(plot, f"/competitions/{slug}/analysis/{view}.svg"),
        listed=tuple(one for one in best if one.place)[:LISTED],
        evaluation=view,
        has_final=card.phase == "revealed",
        choices=tuple(choices.items()),
        left=str(a or ""),
        right=str(b or ""),
        compared=compared,
    )
    return page(request, "analysis/analysis.html", found, visitor)


@router.api_route("/competitions/{slug}/analysis/{view}.svg", methods=READ)
def overview(slug: str, view: Evaluation, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """The plot of every submission, for whom the page is."""
    with context.database.read() as session:
        plot = _plot(session, _shown(session, slug, view, visitor), view)
    return picture(request, plot)


def _shown(session: Session, slug: str, view: Evaluation, visitor: Visitor | None) -> Competition:
    competition = competitions.get_competition(session, slug)
    is_hosts = visitor is not None and is_host(session, competition, visitor.user)
    visible = visibility(Viewer.HOST if is_hosts else Viewer.STRANGER, phase(competition))
    if not visible.metric or (view is Evaluation.FINAL and not visible.final):
        raise NothingToAnalyse(texts.ANALYSIS_HIDDEN)
    return competition


def _plot(session: Session, competition: Competition, view: Evaluation) -> StoredPlot | None:
    row = session.get(OverviewPlot, (competition.id, view))
    return stored_plot(None if row is None else row.plot)


def _best(session: Session, competition: Competition, view: Evaluation) -> list[BestSubmission]:
    return [
        BestSubmission(
            id=str(row.submission_id),
            place=row.position,
            team=row.team,
            filename=row.filename,
            score=score_text(row.final_score),
            forgetting=score_text(row.forgetting_quality),
            utility=score_text(row.retain_ratio * row.test_ratio),
        )
        for row in best_scores(session, competition.id, view)
    ]
