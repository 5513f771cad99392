"""A competition: its specification, its prepared data and models, and its secret."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from server.db import utc_now
from server.models.base import Entity


class Competition(Entity):
    """`specification` and `dossier` are the contract's values as JSON; `secret` derives the run seeds.

    The `…_served_at` say when a worker last took a check, or a chunk of runs, of this competition.
    """

    __tablename__ = "competitions"

    slug: Mapped[str] = mapped_column(String(63), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    specification: Mapped[dict[str, Any]]
    dossier: Mapped[dict[str, Any]]
    secret: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[datetime | None] = mapped_column(default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    checks_served_at: Mapped[datetime] = mapped_column(default=utc_now)
    runs_served_at: Mapped[datetime] = mapped_column(default=utc_now)
