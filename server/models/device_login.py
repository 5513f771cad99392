"""A program that waits for somebody to confirm in a browser that it may act for them (RFC 8628)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class DeviceLogin(Entity):
    """`digest` is of the program's own secret, `user_code` what the person compares; `user_id` has confirmed it."""

    __tablename__ = "device_logins"

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_code: Mapped[str] = mapped_column(String(9), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    expires_at: Mapped[datetime]
    polled_at: Mapped[datetime | None] = mapped_column(default=None)
    is_refused: Mapped[bool] = mapped_column(default=False)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True, default=None)
