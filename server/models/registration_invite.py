"""An invitation to register, for servers with registration by invitation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class RegistrationInvite(Entity):
    """Lets one person register. The code was shown once and is stored as a digest."""

    __tablename__ = "registration_invites"

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), default=None)
