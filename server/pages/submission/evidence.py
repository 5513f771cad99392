"""The evidence behind a score: parts, warnings, plots and outputs, for the host and, after the reveal, for the team."""

from sqlalchemy.orm import Session

from lethe.evaluator.contract.parts import part_text
from lethe.evaluator.contract.states import Evaluation
from lethe.server.competitions.disclosure import Viewer, Visibility, round_score, shows_plot
from lethe.server.competitions.service import specification, visibility_of
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
TITLES = dict.fromkeys(Evaluation, "How the score was computed") | {
    Evaluation.FINAL: "How the final score was computed"
}


def evidence(
    session: Session, competition: Competition, submission: Submission, viewer: Viewer
) -> tuple[ScoreEvidence, ...]:
    """Return the evidence of the submission, and of its final evaluation if `viewer` may see it.

    Empty as long as the metric is hidden from `viewer`.
    """
    visible = visibility_of(competition, viewer, submission.evaluation)
    if not visible.metric:
        return ()
    evaluated = [submission]
    if visible.final and submission.origin_id is None:
        evaluated += queries.final_evaluations(session, submission.id)
    scores = [(one, current_score(session, one)) for one in evaluated]
    part = part_text(specification(competition), 0)
    return tuple(_evidence(session, one, score, viewer, visible, part) for one, score in scores if score is not None)


def _evidence(
    session: Session, submission: Submission, score: Score, viewer: Viewer, visible: Visibility, part: str
) -> ScoreEvidence:
    return ScoreEvidence(
        title=TITLES[Evaluation(submission.evaluation)],
        part=part,
        parts=tuple(
            Fact(name, score_text(value if visible.exact else round_score(value)))
            for name, value in (
                ("Forgetting quality", score.forgetting_quality),
                ("Retain accuracy over the oracles'", score.retain_ratio),
                ("Test accuracy over the oracles'", score.test_ratio),
            )
        ),
        warnings=tuple(finding["message"] for finding in score.receipt.get("findings", ())),
        plots=tuple(_plot(submission, plot) for plot in stored_plots(score.plots) if shows_plot(plot.name, visible)),
        # Hosts have the outputs of all submissions in their export.
        outputs=_outputs(submission) if visible.outputs and viewer is Viewer.TEAM else "",
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


def _outputs(submission: Submission) -> str:
    public_id = submission.origin_id or submission.id
    return f"/api/v1/submissions/{public_id}/evidence?view={submission.evaluation}"


def _plot(submission: Submission, plot: StoredPlot) -> PlotView:
    return plot_view(plot, f"/submissions/{submission.id}/plots/{plot.name}.svg")
