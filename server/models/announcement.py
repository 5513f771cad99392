"""A host's announcement in a competition."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class Announcement(Entity):
    """Plain text with a title, public as soon as it is stored."""

    __tablename__ = "announcements"
    __table_args__ = (Index("ix_announcements_competition_created", "competition_id", "created_at"),)

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)
