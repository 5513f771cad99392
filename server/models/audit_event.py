"""An action of a host or an operator."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class AuditEvent(Entity):
    """Who did what to what, and when. Rows stay as they are, but for the name of an account that is deleted."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_actor", "actor"),
        Index("ix_audit_events_created", "created_at", "id"),
        Index("ix_audit_events_competition_created", "competition_id", "created_at", "id"),
    )

    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(60))
    target: Mapped[str] = mapped_column(String(200))
    competition_id: Mapped[UUID | None] = mapped_column(ForeignKey("competitions.id"), default=None)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
