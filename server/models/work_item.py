"""A work item: one check, one chunk of runs or one scoring, with its lease."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from evaluator.contract.states import WorkState
from server.models.base import Entity


class WorkItem(Entity):
    """`token` rises with every claim and fences off whoever held the item before.

    `finished` maps a run index (as text) to its stored record; `first_run` and `run_count` say which runs belong here.
    """

    __tablename__ = "work_items"
    __table_args__ = (
        UniqueConstraint("submission_id", "generation", "stage", "chunk"),
        Index("ix_work_items_claim", "state", "stage", "created_at"),
    )

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    generation: Mapped[int]
    stage: Mapped[str] = mapped_column(String(8))
    chunk: Mapped[int]
    first_run: Mapped[int]
    run_count: Mapped[int]
    state: Mapped[str] = mapped_column(String(8), default=WorkState.READY)
    attempt: Mapped[int] = mapped_column(default=0)
    token: Mapped[int] = mapped_column(default=0)
    worker_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("worker_keys.id"), default=None)
    worker: Mapped[str | None] = mapped_column(String(200), default=None)
    sandbox_mode: Mapped[str | None] = mapped_column(String(100), default=None)
    environment: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    lease_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    finished: Mapped[dict[str, Any]] = mapped_column(default=dict)
    done_at: Mapped[datetime | None] = mapped_column(default=None)
