"""A secret that was mailed to somebody, stored as a digest only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class MailedSecret(Entity):
    """Proves once that its holder reads mail to `address`; `purpose` is `reset` or `confirm`."""

    __tablename__ = "mailed_secrets"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(8))
    address: Mapped[str] = mapped_column(String(254))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
