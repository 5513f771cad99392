"""An address from which somebody has logged in to an account, as a digest only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class KnownAddress(Base):
    """Wrong passwords from elsewhere never slow a login from here down. `digest` is of account and address together."""

    __tablename__ = "known_addresses"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    seen_at: Mapped[datetime]
