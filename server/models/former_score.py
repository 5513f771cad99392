"""What a score was before a rescore replaced it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Entity
from server.models.score import ScoreNumbers


class FormerScore(ScoreNumbers, Entity):
    """The numbers and the receipt, which names rule and metric version, of a score until `created_at`."""

    __tablename__ = "former_scores"
    __table_args__ = (Index("ix_former_scores_score", "score_id", "created_at"),)

    score_id: Mapped[UUID] = mapped_column(ForeignKey("scores.id", ondelete="CASCADE"))
    scored_at: Mapped[datetime]
