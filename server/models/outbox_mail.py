"""A mail that is to be sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class OutboxMail(Entity):
    """Written in the transaction of what it tells, and deleted when the mail server has taken it.

    `details` has ids and addresses, never a text or a secret: the mail is written when it is sent. `due_at` is when it
    may be sent first, `retry_at` when it is tried next. Without `user_id` it is for whoever has the address.
    """

    __tablename__ = "outbox_mails"
    __table_args__ = (Index("ix_outbox_mails_retry", "retry_at"),)

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    due_at: Mapped[datetime]
    retry_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
