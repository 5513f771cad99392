"""An evaluation worker as it registered, and the time of its last call."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity
from lethe.server.models.times import utc_now


class Admission(StrEnum):
    """What the operator decided: `drained` workers only finish what they have; `disabled` ones are refused."""

    OPEN = "open"
    DRAINED = "drained"
    DISABLED = "disabled"


class Worker(Entity):
    """`capabilities` is the contract's value as JSON; `left_at` is the time of a normal shutdown.

    A worker with `quarantined_at` gets no work until it passes its self-test.
    """

    __tablename__ = "workers"
    __table_args__ = (UniqueConstraint("worker_key_id", "name"),)

    worker_key_id: Mapped[UUID] = mapped_column(ForeignKey("worker_keys.id"))
    name: Mapped[str] = mapped_column(String(200))
    capabilities: Mapped[dict[str, Any]]
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    left_at: Mapped[datetime | None] = mapped_column(default=None)
    admission: Mapped[str] = mapped_column(String(8), default=Admission.OPEN)
    quarantined_at: Mapped[datetime | None] = mapped_column(default=None)
