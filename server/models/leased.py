"""The columns of leased work, which work items and training orders share."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.evaluator.contract.states import WorkState


class Leased:
    """Work that one holder at a time has under a lease.

    `token` rises with every claim and every release, and so fences off former holders. `worker` is the name of the last
    holder: a worker, a control process or a host's command; `worker_key_id` its key, None where it has none. Work that
    is ready waits until `available_at`; None means that it is available at once.
    """

    state: Mapped[str] = mapped_column(String(8), default=WorkState.READY)
    token: Mapped[int] = mapped_column(default=0)
    worker_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("worker_keys.id"), default=None)
    worker: Mapped[str | None] = mapped_column(String(200), default=None)
    lease_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    available_at: Mapped[datetime | None] = mapped_column(default=None)
    done_at: Mapped[datetime | None] = mapped_column(default=None)
