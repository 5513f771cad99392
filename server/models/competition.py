"""A competition: specification, prepared data and models, secrets and calendar."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity
from lethe.server.models.times import utc_now


class Competition(Entity):
    """`specification` and `prepared` are the contract's values as JSON. Run seeds are derived from `secret`.

    `create` copies the three phase times from the specification; a host may move the end. `closed_at` is the time of an
    early close. Seeds of the final evaluation are derived from `final_secret`, which is NULL until it starts; those of
    uploads after the reveal from `benchmark_secret`, NULL until the host first takes them. They are taken from
    `benchmark_started_at` until `benchmark_ended_at`.
    Since `photographs_deleted_at` nothing that `prepared` names is stored any more.
    `board_version` rises with every change that a board shows. The `…_served_at` are the times at which a worker last
    took a check, or a chunk of runs, of this competition.
    """

    __tablename__ = "competitions"

    slug: Mapped[str] = mapped_column(String(63), unique=True)
    title: Mapped[str] = mapped_column(String(120))
    specification: Mapped[dict[str, Any]]
    prepared: Mapped[dict[str, Any]]
    secret: Mapped[str] = mapped_column(String(64))
    public_starts_at: Mapped[datetime | None] = mapped_column(default=None)
    public_ends_at: Mapped[datetime | None] = mapped_column(default=None)
    final_ends_at: Mapped[datetime | None] = mapped_column(default=None)
    opened_at: Mapped[datetime | None] = mapped_column(default=None)
    paused_at: Mapped[datetime | None] = mapped_column(default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)
    checks_served_at: Mapped[datetime] = mapped_column(default=utc_now)
    runs_served_at: Mapped[datetime] = mapped_column(default=utc_now)
    finals_started_at: Mapped[datetime | None] = mapped_column(default=None)
    final_secret: Mapped[str | None] = mapped_column(String(64), default=None)
    revealed_at: Mapped[datetime | None] = mapped_column(default=None)
    benchmark_secret: Mapped[str | None] = mapped_column(String(64), default=None)
    benchmark_started_at: Mapped[datetime | None] = mapped_column(default=None)
    benchmark_ended_at: Mapped[datetime | None] = mapped_column(default=None)
    board_version: Mapped[int] = mapped_column(default=0)
    edited_at: Mapped[datetime | None] = mapped_column(default=None)
    closing_told_for: Mapped[datetime | None] = mapped_column(default=None)
    """The end of uploads that teams were told of by mail."""
    photographs_deleted_at: Mapped[datetime | None] = mapped_column(default=None)
