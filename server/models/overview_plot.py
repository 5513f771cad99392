"""The plot over all submissions of a competition, as it was drawn last."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from server.models.base import Base


class OverviewPlot(Base):
    """One for each evaluation. `plot` is empty when drawing it failed.

    `board_version` is the competition's when the scores were read: a greater one asks for another plot.
    """

    __tablename__ = "overview_plots"

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), primary_key=True)
    evaluation: Mapped[str] = mapped_column(String(8), primary_key=True)
    board_version: Mapped[int]
    drawn_at: Mapped[datetime]
    plot: Mapped[dict[str, Any]]
