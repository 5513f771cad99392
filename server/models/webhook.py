"""An address to which Lethe sends what happens in a competition, and what was sent to it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class Webhook(Entity):
    """Of a team, or of the hosts of the competition if there is no `team_id`. `secret` signs what is sent."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_competition", "competition_id", "team_id"),)

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id", ondelete="CASCADE"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True, default=None)
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(64))
    events: Mapped[list[Any]] = mapped_column(default=list)


class WebhookDelivery(Entity):
    """One message to one address, written in the transaction of what it tells, with the last answer to it.

    It waits while there is a `retry_at`, the moment of the next try. Without one it was taken at `delivered_at`, or
    given up. `due_at` is when it was to be sent first, `status` that of the answer, `answer` the start of its body,
    `problem` a sentence where there was no answer.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_retry", "retry_at"),
        Index("ix_webhook_deliveries_webhook_created", "webhook_id", "created_at", "id"),
    )

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(16))
    payload: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    retry_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    tried_at: Mapped[datetime | None] = mapped_column(default=None)
    delivered_at: Mapped[datetime | None] = mapped_column(default=None)
    status: Mapped[int | None] = mapped_column(default=None)
    answer: Mapped[str] = mapped_column(String(1000), default="")
    problem: Mapped[str] = mapped_column(String(300), default="")
