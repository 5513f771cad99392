"""A registered person."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class User(Entity):
    """`username_key` and `email_key` are case-folded, so that Ann and ann are the same user.

    `username_skeleton` is what the name looks like; None if an older account looked so when that was not yet compared.
    """

    __tablename__ = "users"

    username: Mapped[str] = mapped_column(String(40))
    username_key: Mapped[str] = mapped_column(String(80), unique=True)
    username_skeleton: Mapped[str | None] = mapped_column(String(160), unique=True, index=True, default=None)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    is_operator: Mapped[bool] = mapped_column(default=False)
    disabled_at: Mapped[datetime | None] = mapped_column(default=None)
