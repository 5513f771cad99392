"""Draws and stores the plot of all submissions of a competition when its board has changed."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactStoreAway
from lethe.evaluator.contract.states import OF_THE_COMPETITION, Evaluation
from lethe.server.competitions.disclosure import round_score
from lethe.server.context import Context
from lethe.server.hosting.artifact_references import refs_in
from lethe.server.leaderboard import queries, score_queries
from lethe.server.logs import get_logger
from lethe.server.models import OverviewPlot
from lethe.server.models.times import utc_now
from lethe.server.plots.overview import DOTS, Dot, overview_plot
from lethe.server.plots.stored_plots import StoredPlot

log = get_logger(__name__)

AT_MOST_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class _OverviewInput:
    """A board that has changed since its plot was drawn, and the dots of its new plot."""

    competition_id: UUID
    evaluation: Evaluation
    board_version: int
    dots: tuple[Dot, ...]


class Overviews:
    """Draws one board's plot at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def draw_next(self) -> bool:
        """Draw for a board that has changed, each once a minute at most; False when there is none.

        A plot that cannot be drawn is left out until the board changes again.
        """
        order = self._order()
        if order is None:
            return False
        try:
            stored: dict[str, Any] = self._draw(order).model_dump(mode="json") if order.dots else {}
        except ArtifactStoreAway as error:
            log.warning("overview_put_off", competition_id=str(order.competition_id), error=str(error))
            return False
        except Exception:  # a plot must never stop the process that scores
            log.exception("overview_failed", competition_id=str(order.competition_id))
            stored = {}
        before = self._store(order, stored)
        with suppress(ArtifactStoreAway):  # a small file that nothing refers to stays behind
            self._context.artifacts.delete({ref.key for ref in refs_in(before)} - {ref.key for ref in refs_in(stored)})
        return True

    def _order(self) -> _OverviewInput | None:
        with self._context.database.read() as session:
            changed = next(_changed(session), None)
            if changed is None:
                return None
            competition_id, evaluation, version = changed
            return _OverviewInput(competition_id, evaluation, version, _dots(session, competition_id, evaluation))

    def _draw(self, order: _OverviewInput) -> StoredPlot:
        plot = overview_plot(order.dots)
        stem = f"competitions/{order.competition_id}/{order.evaluation}-{plot.name}"
        svg = self._context.artifacts.put_named_by_digest(stem, plot.svg, ".svg")
        return StoredPlot(name=plot.name, title=plot.title, text=plot.text, svg=svg)

    def _store(self, order: _OverviewInput, plot: dict[str, Any]) -> dict[str, Any]:
        """Store the plot and return the one before it."""
        with self._context.database.write() as session:
            row = session.get(OverviewPlot, (order.competition_id, order.evaluation), with_for_update=True)
            before = {} if row is None else row.plot
            session.merge(
                OverviewPlot(
                    competition_id=order.competition_id,
                    evaluation=order.evaluation,
                    board_version=order.board_version,
                    drawn_at=utc_now(),
                    plot=plot,
                )
            )
        return before


def _changed(session: Session) -> Iterator[tuple[UUID, Evaluation, int]]:
    """Yield boards whose plots are older than their newest version, with that version; none drawn within a minute."""
    drawn = {
        (plot.competition_id, plot.evaluation): plot
        for plot in score_queries.overview_plots.entities(session).scalars()
    }
    now = utc_now()
    for competition in queries.changed_boards.rows(session).all():
        for evaluation in OF_THE_COMPETITION if competition.finals_started_at else (Evaluation.PUBLIC,):
            plot = drawn.get((competition.id, evaluation))
            is_old = plot is not None and plot.board_version != competition.board_version
            if plot is None or (is_old and (not plot.plot or plot.drawn_at < now - AT_MOST_EVERY)):
                yield competition.id, evaluation, competition.board_version


def _dots(session: Session, competition_id: UUID, evaluation: Evaluation) -> tuple[Dot, ...]:
    """Return the best scored submissions, best first; only those that count on the board.

    Rounded as everybody may see them, because a place in a picture tells a number as exactly as a text does.
    """
    board = {"competition_id": competition_id, "evaluation": evaluation}
    return tuple(
        Dot(
            score=round_score(row.final_score),
            forgetting=round_score(row.forgetting_quality),
            utility=round_score(row.retain_ratio * row.test_ratio),
            place=row.position or None,
        )
        for row in score_queries.overview_scores.rows(session, **board, limit=DOTS + 1)
    )
