"""Counters of events, one per process."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class Counter(Base):
    """One row per process and name, so that processes never wait for each other's locks."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    process: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[float] = mapped_column(default=0.0)
