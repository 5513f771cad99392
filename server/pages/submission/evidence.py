"""The evidence behind a score: parts, warnings and plots, for the host and, after the reveal, for the team."""

from sqlalchemy.orm import Session

from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.disclosure import Viewer, Visibility, visibility
from lethe.server.competitions.phases import phase
from lethe.server.leaderboard.measures import MeasuresView, MeasureView, measures_view
from lethe.server.leaderboard.score_queries import current_score
from lethe.server.models import Competition, Score, Submission
from lethe.server.pages.formatting import Fact, measure_text, score_text
from lethe.server.pages.pictures import PlotView, plot_view
from lethe.server.pages.submission.view import MeasureLine, MeasuresPart, ScoreEvidence
from lethe.server.plots.stored_plots import StoredPlot, stored_plots
from lethe.server.submissions import queries

BEST = {"oracles": "as the oracles", "low": "low", "high": "high", "none": ""}
"""What a perfect submission gets, in words."""
TITLES = {Evaluation.PUBLIC: "How the score was computed", Evaluation.FINAL: "How the final score was computed"}


def evidence(
    session: Session, competition: Competition, submission: Submission, viewer: Viewer
) -> tuple[ScoreEvidence, ...]:
    """Return the evidence of the submission, and of its final evaluation if `viewer` may see it.

    Empty as long as the metric is hidden from `viewer`.
    """
    visible = visibility(viewer, phase(competition))
    if not visible.metric:
        return ()
    evaluated = [submission]
    if visible.final and submission.origin_id is None:
        evaluated += queries.final_evaluations(session, submission.id)
    scores = [(one, current_score(session, one)) for one in evaluated]
    return tuple(_evidence(session, one, score, visible) for one, score in scores if score is not None)


def _evidence(session: Session, submission: Submission, score: Score, visible: Visibility) -> ScoreEvidence:
    return ScoreEvidence(
        title=TITLES[Evaluation(submission.evaluation)],
        parts=(
            Fact("Forgetting quality", score_text(score.forgetting_quality)),
            Fact("Retain accuracy over the oracles'", score_text(score.retain_ratio)),
            Fact("Test accuracy over the oracles'", score_text(score.test_ratio)),
        ),
        warnings=tuple(finding["message"] for finding in score.receipt.get("findings", ())),
        plots=tuple(_plot(submission, plot) for plot in stored_plots(score.plots)),
        is_pending=score.plots is None,
        measures=_measures(measures_view(session, score, exact=visible.exact), can_ask=visible.exact),
    )


def _measures(view: MeasuresView, *, can_ask: bool) -> MeasuresPart:
    groups: dict[str, list[MeasureLine]] = {}
    for one in view.measures:
        groups.setdefault(one.question, []).append(_line(one))
    return MeasuresPart(
        groups=tuple((question, tuple(lines)) for question, lines in groups.items()),
        is_pending=view.is_pending and view.is_asked,
        can_ask=can_ask and view.is_pending and not view.is_asked,
    )


def _line(one: MeasureView) -> MeasureLine:
    interval = "" if one.low is None or one.high is None else f"{measure_text(one.low)} to {measure_text(one.high)}"
    return MeasureLine(
        title=one.title if not one.unit else f"{one.title}, {one.unit}",
        symbol=one.symbol,
        value=measure_text(one.value),
        interval=interval,
        oracles=measure_text(one.oracles),
        untouched=measure_text(one.untouched),
        best=BEST[one.best],
        source=one.source,
        absent=one.absent,
    )


def _plot(submission: Submission, plot: StoredPlot) -> PlotView:
    return plot_view(plot, f"/submissions/{submission.id}/plots/{plot.name}.svg")
