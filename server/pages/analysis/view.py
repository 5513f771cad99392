"""The analysis of a competition, as values for its template."""

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.disclosure import round_score
from lethe.server.leaderboard.score_queries import AnalysedScore
from lethe.server.pages.analysis.comparison import Comparison
from lethe.server.pages.analysis.drawing import Drawing, draw_analysis
from lethe.server.pages.card import Card
from lethe.server.pages.formatting import score_text
from lethe.server.pages.pictures import PlotView, plot_view
from lethe.server.plots.stored_plots import StoredPlot

LISTED = 10
"""Teams in the table beside the plot, as many as have a number in it."""


@dataclass(frozen=True)
class BestSubmission:
    """A team's best submission; `rank` is the board's, empty for a baseline, `href` empty for who may not open it."""

    id: str
    rank: str
    href: str
    team: str
    filename: str
    score: str
    forgetting: str
    utility: str


@dataclass(frozen=True)
class AnalysisPage:
    """The whole page; `listed` holds the best teams, `choices` the submissions that can be compared."""

    card: Card
    drawing: Drawing | None
    plot: PlotView | None
    listed: tuple[BestSubmission, ...]
    evaluation: str
    has_final: bool
    choices: tuple[tuple[str, str], ...]
    left: str
    right: str
    is_same: bool
    comparison: Comparison | None


def analysis_page(
    card: Card,
    evaluation: Evaluation,
    scores: Sequence[AnalysedScore],
    plot: StoredPlot | None,
    *,
    left: str,
    right: str,
    comparison: Comparison | None,
    ceiling: tuple[float, float] | None = None,
    addresses: dict[str, str] | None = None,
) -> AnalysisPage:
    """Return the page; `left` and `right` are the ids of the submissions chosen for the comparison, or empty."""
    addresses = addresses or {}
    best = [_best(score, addresses) for score in scores]
    choices = {one.id: f"{one.team}: {one.filename}, {one.score}" for one in best}
    if comparison is not None:
        choices |= comparison.choices
    elif not left and not right and len(choices) > 1:
        left, right = list(choices)[:2]  # the form's first choice
    return AnalysisPage(
        card=card,
        drawing=draw_analysis(scores, ceiling, addresses),
        plot=None if plot is None else plot_view(plot, f"/competitions/{card.slug}/analysis/{evaluation}.svg"),
        listed=tuple(one for one in best if one.rank)[:LISTED],
        evaluation=evaluation,
        has_final=card.phase == "revealed",
        choices=tuple(choices.items()),
        left=left,
        right=right,
        is_same=left != "" and left == right,
        comparison=comparison,
    )


def _best(score: AnalysedScore, addresses: dict[str, str]) -> BestSubmission:
    return BestSubmission(
        id=str(score.submission_id),
        rank="" if score.rank is None else str(score.rank),
        href=addresses.get(str(score.submission_id), ""),
        team=score.team,
        filename=score.filename,
        score=score_text(round_score(score.final_score)),
        forgetting=score_text(round_score(score.forgetting_quality)),
        utility=score_text(round_score(score.retain_ratio * score.test_ratio)),
    )
