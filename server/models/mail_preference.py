"""What a person wants to be told by mail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class MailPreference(Base):
    """Of an account that has confirmed its address once; `confirmed_at` is None while another one is not confirmed.

    `key` stands in the addresses of mails that end notices without a login.
    """

    __tablename__ = "mail_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    confirmed_at: Mapped[datetime | None] = mapped_column(default=None)
    notices: Mapped[list[Any]] = mapped_column(default=list)
    is_daily: Mapped[bool] = mapped_column(default=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
