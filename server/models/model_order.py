"""A training order: one model of one bank, with its lease."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from evaluator.contract.states import WorkState
from server.models.base import Base


class ModelOrder(Base):
    """Bank and index are the key, so no model is ordered twice. `token` rises with every claim and fences off earlier
    holders. A model counts as trained once its record is in the artifact store; `done` follows.
    """

    __tablename__ = "model_orders"
    __table_args__ = (Index("ix_model_orders_state", "state"),)

    bank_digest: Mapped[str] = mapped_column(ForeignKey("oracle_banks.digest"), primary_key=True)
    model_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(8), default=WorkState.READY)
    token: Mapped[int] = mapped_column(default=0)
    breakdowns: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None] = mapped_column(String(200), default=None)
    worker_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("worker_keys.id"), default=None)
    lease_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    message: Mapped[str | None] = mapped_column(Text, default=None)
    done_at: Mapped[datetime | None] = mapped_column(default=None)
