"""A key with which workers claim work."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class WorkerKey(Entity):
    """Stored as a digest; a lease belongs to the key that claimed it."""

    __tablename__ = "worker_keys"

    name: Mapped[str] = mapped_column(String(80), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
