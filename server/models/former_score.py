"""A score that a rescore has replaced."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity
from lethe.server.models.score import ScoreNumbers


class FormerScore(ScoreNumbers, Entity):
    """Numbers and receipt, with rule and metric version, that a score had until `created_at`."""

    __tablename__ = "former_scores"
    __table_args__ = (Index("ix_former_scores_score", "score_id", "created_at"),)

    score_id: Mapped[UUID] = mapped_column(ForeignKey("scores.id", ondelete="CASCADE"))
    scored_at: Mapped[datetime]
