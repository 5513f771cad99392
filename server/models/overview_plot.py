"""The latest plot of all submissions of a competition."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class OverviewPlot(Base):
    """One row per evaluation. `plot` is empty if drawing failed.

    `board_version` is the competition's when the scores were read; when that rises, the plot is drawn again.
    """

    __tablename__ = "overview_plots"

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), primary_key=True)
    evaluation: Mapped[str] = mapped_column(String(8), primary_key=True)
    board_version: Mapped[int]
    drawn_at: Mapped[datetime]
    plot: Mapped[dict[str, Any]]
