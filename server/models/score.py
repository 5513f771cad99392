"""A score with its interval, replicates and receipt; and the standings computed from all scores."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from lethe.evaluator.contract.states import Evaluation
from lethe.server.models.base import EVALUATION, NULLABLE_JSON, Base, Entity

METRIC_COLUMNS = ("final_score", "interval_low", "interval_high", "forgetting_quality", "retain_ratio", "test_ratio")
_UNDRAWN = text("plots IS NULL AND submission_id IS NOT NULL")
_UNMEASURED = text("measures IS NULL OR measures_asked")


class ScoreNumbers:
    """Columns for the numbers of a metric, and for the receipt with their inputs.

    `breakdown` is an evaluator.scoring.parts.Breakdown, what each task and original gave; NULL of a score of one part.
    """

    final_score: Mapped[float]
    interval_low: Mapped[float]
    interval_high: Mapped[float]
    forgetting_quality: Mapped[float]
    retain_ratio: Mapped[float]
    test_ratio: Mapped[float]
    replicates: Mapped[list[Any]]
    breakdown: Mapped[dict[str, Any] | None] = mapped_column(NULLABLE_JSON, default=None)
    receipt: Mapped[dict[str, Any]]


class Score(ScoreNumbers, Entity):
    """The score of a submission's generation, or of a reference row (then `reference` is ceiling or floor).

    Only finite numbers can be stored, so NaN never ranks: NaN and infinities fail the check on PostgreSQL, and SQLite
    stores NaN as NULL. `plots` names the drawn plots with their artifacts, and is NULL until the first attempt to draw.
    `measures` is an evaluator.scoring.measuring.Measurements, NULL until something was measured; `measures_asked` says
    that all of them are wanted. `shown_measures` has the values of the board's columns by key, None for an absent one.
    """

    __tablename__ = "scores"
    __table_args__ = (
        UniqueConstraint("submission_id", "generation"),
        UniqueConstraint("competition_id", "evaluation", "reference"),
        CheckConstraint(" AND ".join(f"{name} BETWEEN -1e300 AND 1e300" for name in METRIC_COLUMNS), name="finite"),
        Index("ix_scores_best", "competition_id", "evaluation", "final_score"),
        Index("ix_scores_undrawn", "created_at", sqlite_where=_UNDRAWN, postgresql_where=_UNDRAWN),
        Index("ix_scores_unmeasured", "created_at", sqlite_where=_UNMEASURED, postgresql_where=_UNMEASURED),
    )

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    submission_id: Mapped[UUID | None] = mapped_column(ForeignKey("submissions.id"), default=None)
    evaluation: Mapped[str] = mapped_column(EVALUATION, default=Evaluation.PUBLIC)
    generation: Mapped[int] = mapped_column(default=0)
    reference: Mapped[str | None] = mapped_column(String(16), default=None)
    plots: Mapped[list[Any] | None] = mapped_column(NULLABLE_JSON, deferred=True, default=None)
    measures: Mapped[dict[str, Any] | None] = mapped_column(NULLABLE_JSON, deferred=True, default=None)
    shown_measures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    measures_asked: Mapped[bool] = mapped_column(default=False, server_default=false())


class Standing(Base):
    """A team's row on one board, changed whenever a score of its competition changes it.

    `position` counts the ranked teams from 1, best score first; pages of the board are cut by it. A baseline has no
    rank and position 0. `rank_before` is the rank at the end of the day (UTC) before `ranked_on`, the last day on which
    the board was ranked; NULL for a team that was not on it. `score_history` lists the rises of the team's best score,
    oldest first, as pairs of an ISO time and the new score. It is stored because every row draws it, and reading all
    scores of a team for every view would get slower with every submission.
    """

    __tablename__ = "standings"

    __table_args__ = (
        Index("ix_standings_board", "competition_id", "evaluation", "position"),
        Index("ix_standings_updated", "competition_id", "evaluation", "updated_at"),
    )

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    evaluation: Mapped[str] = mapped_column(EVALUATION, primary_key=True, default=Evaluation.PUBLIC)
    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    score_id: Mapped[UUID] = mapped_column(ForeignKey("scores.id"))
    rank: Mapped[int | None]
    position: Mapped[int]
    rank_before: Mapped[int | None] = mapped_column(default=None)
    ranked_on: Mapped[date | None] = mapped_column(default=None)
    entries: Mapped[int]
    last_scored_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    score_history: Mapped[list[Any]] = mapped_column(default=list)
