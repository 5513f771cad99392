"""Draws and stores the plots of scored submissions while no submission waits for its score."""

from dataclasses import dataclass
from uuid import UUID

from lethe.evaluator.artifacts import ArtifactStoreAway
from lethe.evaluator.contract.oracle_pools import OraclePools, oracle_pools
from lethe.evaluator.contract.specification import CompetitionSpec
from lethe.evaluator.contract.states import Evaluation
from lethe.evaluator.scoring.reference_set import ReferenceSets
from lethe.server.competitions.service import prepared_competition, specification
from lethe.server.context import Context
from lethe.server.leaderboard import score_queries
from lethe.server.logs import get_logger
from lethe.server.models import Competition, Score, Submission
from lethe.server.plots.run_plots import plot_runs, retraining_wall_s
from lethe.server.plots.stored_plots import StoredPlot
from lethe.server.plots.submission import Floats
from lethe.server.scoring.queries import run_items
from lethe.server.scoring.stored_outputs import RunOutputs, read_runs, run_outputs

log = get_logger(__name__)


@dataclass(frozen=True)
class _PlotInput:
    """A score without plots and everything that drawing them needs, detached from the database."""

    score_id: UUID
    spec: CompetitionSpec
    against: OraclePools
    outputs: RunOutputs
    run_wall_s: tuple[float, ...]


class Plotter:
    """Draws one submission's plots at a time."""

    def __init__(self, context: Context, reference_sets: ReferenceSets) -> None:
        self._context = context
        self._reference_sets = reference_sets
        self._retraining: dict[str, Floats] = {}

    def draw_next(self) -> bool:
        """Draw for the newest score that has no plots; False when every one has, or its outputs are out of reach.

        An error in drawing costs only the plots, which are then an empty list.
        """
        order = self._order()
        if order is None:
            return False
        try:
            plots = [stored.model_dump(mode="json") for stored in self._draw(order)]
        except ArtifactStoreAway as error:
            log.warning("plots_put_off", submission_id=str(order.outputs.submission_id), error=str(error))
            return False
        except Exception:  # a plot must never stop the process that scores
            log.exception("plots_failed", submission_id=str(order.outputs.submission_id))
            plots = []
        with self._context.database.write() as session:
            score_queries.store_plots.rows(session, score_id=order.score_id, drawn=plots)
        return True

    def _order(self) -> _PlotInput | None:
        with self._context.database.read() as session:
            score: Score | None = score_queries.undrawn_score.entities(session).scalar_one_or_none()
            if score is None:
                return None
            submission = session.get_one(Submission, score.submission_id)
            competition = session.get_one(Competition, score.competition_id)
            spec = specification(competition)
            return _PlotInput(
                score_id=score.id,
                spec=spec,
                against=oracle_pools(spec, prepared_competition(competition), Evaluation(submission.evaluation)),
                outputs=run_outputs(session, submission),
                run_wall_s=tuple(
                    record["wall_s"] for item in run_items(session, submission) for record in item.finished.values()
                ),
            )

    def _draw(self, order: _PlotInput) -> list[StoredPlot]:
        artifacts = self._context.artifacts
        reference_set = self._reference_sets.get(order.spec.metric, order.against)
        bank = order.against.split.bank_digest
        if bank not in self._retraining:
            self._retraining = {bank: retraining_wall_s(artifacts, order.against)}
        unlearned = reference_set.pool(read_runs(artifacts, order.outputs))
        stem = f"submissions/{order.outputs.submission_id}/{order.outputs.generation}/plot"
        return [
            StoredPlot(
                name=plot.name,
                title=plot.title,
                text=plot.text,
                svg=artifacts.put_named_by_digest(f"{stem}-{plot.name}", plot.svg, ".svg"),
            )
            for plot in plot_runs(reference_set, unlearned, order.run_wall_s, self._retraining[bank])
        ]
