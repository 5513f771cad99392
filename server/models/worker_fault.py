"""A work item at which a worker failed by its own fault."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class WorkerFault(Entity):
    """The worker `worker` of a key ended the item with a platform fault; `done_elsewhere_at` is when another did it.

    Kept for a day: it keeps the item from that worker for a while, and speaks for a quarantine.
    """

    __tablename__ = "worker_faults"
    __table_args__ = (Index("ix_worker_faults_worker_key_id_worker", "worker_key_id", "worker"),)

    work_item_id: Mapped[UUID] = mapped_column(ForeignKey("work_items.id", ondelete="CASCADE"), index=True)
    worker_key_id: Mapped[UUID] = mapped_column(ForeignKey("worker_keys.id", ondelete="CASCADE"))
    worker: Mapped[str] = mapped_column(String(200))
    done_elsewhere_at: Mapped[datetime | None] = mapped_column(default=None)
