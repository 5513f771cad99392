"""A score with its interval, replicates and receipt; and the standings computed from all scores."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base, Entity


class Score(Entity):
    """The score of a submission's generation, or of a reference row (`reference` is then ceiling or floor)."""

    __tablename__ = "scores"
    __table_args__ = (
        UniqueConstraint("submission_id", "generation"),
        UniqueConstraint("competition_id", "reference"),
        Index("ix_scores_competition", "competition_id"),
    )

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    submission_id: Mapped[UUID | None] = mapped_column(ForeignKey("submissions.id"), default=None)
    generation: Mapped[int] = mapped_column(default=0)
    reference: Mapped[str | None] = mapped_column(String(16), default=None)
    final_score: Mapped[float]
    interval_low: Mapped[float]
    interval_high: Mapped[float]
    forgetting_quality: Mapped[float]
    retain_ratio: Mapped[float]
    test_ratio: Mapped[float]
    replicates: Mapped[list[Any]]
    receipt: Mapped[dict[str, Any]]


class Standing(Base):
    """A team's row on the leaderboard, rewritten whenever a score of its competition changes."""

    __tablename__ = "standings"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), index=True)
    score_id: Mapped[UUID] = mapped_column(ForeignKey("scores.id"))
    rank: Mapped[int]
    updated_at: Mapped[datetime]
