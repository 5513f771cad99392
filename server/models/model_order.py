"""A training order: one model of one bank, with its lease."""

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base
from lethe.server.models.leased import Leased


class ModelOrder(Leased, Base):
    """Bank and index are the key, so no model is ordered twice. A model counts as trained once its record is in the
    artifact store; the state `done` follows.
    """

    __tablename__ = "model_orders"
    __table_args__ = (Index("ix_model_orders_state", "state"),)

    bank_digest: Mapped[str] = mapped_column(ForeignKey("oracle_banks.digest"), primary_key=True)
    model_index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    breakdowns: Mapped[int] = mapped_column(default=0)
    message: Mapped[str | None] = mapped_column(Text, default=None)
