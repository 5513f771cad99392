"""A browser's session, stored as a digest only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class WebSession(Entity):
    """Started by a login with a password, or by a sign-in elsewhere; the cookie has the text."""

    __tablename__ = "web_sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
