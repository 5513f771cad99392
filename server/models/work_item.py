"""A work item: one check, one chunk of runs or one scoring."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity
from lethe.server.models.leased import Leased


def _partial_index(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


class WorkItem(Leased, Entity):
    """`finished` maps a run index (as text) to its stored record; it has the `run_count` runs from `first_run` on, all
    of them of the `part` (`lethe.evaluator.contract.parts`).

    `turn` is its place in the fair order of its competition and stage (`lethe.server.queue.fair_order`). `attempt`
    counts claims since a run last finished, `losses` all holders that fell silent, `faults` all that failed by a
    fault of their own.
    """

    __tablename__ = "work_items"
    __table_args__ = (
        UniqueConstraint("submission_id", "generation", "stage", "chunk"),
        Index("ix_work_items_claim", "state", "stage", "created_at"),
        Index("ix_work_items_turn", "competition_id", "stage", "state", "turn", "created_at"),
        _partial_index(
            "ix_work_items_waiting", "competition_id", "stage", "turn", "created_at", where="state = 'ready'"
        ),
        Index("ix_work_items_team_turn", "team_id", "stage", "turn"),
        _partial_index("ix_work_items_done", "stage", "done_at", where="done_at IS NOT NULL"),
    )

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id"))
    generation: Mapped[int]
    stage: Mapped[str] = mapped_column(String(8))
    chunk: Mapped[int]
    first_run: Mapped[int]
    run_count: Mapped[int]
    part: Mapped[int] = mapped_column(default=0)
    turn: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    faults: Mapped[int] = mapped_column(default=0)
    sandbox_mode: Mapped[str | None] = mapped_column(String(100), default=None)
    environment: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    claimed_at: Mapped[datetime | None] = mapped_column(default=None)
    finished: Mapped[dict[str, Any]] = mapped_column(default=dict)
