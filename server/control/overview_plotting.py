"""Draws the plot over all submissions of a competition again when its board has changed, and stores it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluator.artifacts import ArtifactStoreAway
from evaluator.contract.states import Evaluation
from server.context import Context
from server.hosting.artifact_references import refs_in
from server.logs import get_logger
from server.models import Competition, OverviewPlot, Score, Standing, Submission, Team
from server.models.times import utc_now
from server.plots.overview import DOTS, Dot, overview_plot
from server.plots.stored_plots import StoredPlot

log = get_logger(__name__)

AT_MOST_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class _OverviewInput:
    """A board that has changed since its plot was drawn, with what the plot shows."""

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
        """The plot that was there before."""
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
    """Boards whose plots are not of the newest version, which comes with them; none that was drawn within a minute."""
    drawn = {(row.competition_id, row.evaluation): row for row in session.scalars(select(OverviewPlot))}
    now = utc_now()
    # Columns only, because rows of competitions are long and control asks whenever it has nothing to score.
    boards = select(Competition.id, Competition.board_version, Competition.finals_started_at)
    for competition in session.execute(boards.where(Competition.board_version > 0)):
        for evaluation in Evaluation if competition.finals_started_at else (Evaluation.PUBLIC,):
            row = drawn.get((competition.id, evaluation))
            is_old = row is not None and row.board_version != competition.board_version
            if row is None or (is_old and (not row.plot or row.drawn_at < now - AT_MOST_EVERY)):
                yield competition.id, evaluation, competition.board_version


def _dots(session: Session, competition_id: UUID, evaluation: Evaluation) -> tuple[Dot, ...]:
    """The best scored submissions, best first; only what counts on the board."""
    found = session.execute(
        select(
            Score.final_score, Score.forgetting_quality, Score.retain_ratio, Score.test_ratio, Standing.position
        )
        .join(Submission, (Submission.id == Score.submission_id) & (Submission.generation == Score.generation))
        .join(Team, Team.id == Submission.team_id)
        .outerjoin(Standing, Standing.score_id == Score.id)
        .where(
            Submission.competition_id == competition_id,
            Submission.evaluation == evaluation,
            Submission.disqualified_reason.is_(None),
            Team.disqualified_reason.is_(None),
        )
        .order_by(Score.final_score.desc(), Submission.id)
        .limit(DOTS + 1)
    )  # fmt: skip
    return tuple(
        Dot(
            score=row.final_score,
            forgetting=row.forgetting_quality,
            utility=row.retain_ratio * row.test_ratio,
            place=row.position or None,
        )
        for row in found
    )
