"""A bank of oracle models that are to be trained."""

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base
from lethe.server.models.times import utc_now


class OracleBank(Base):
    """`identity` is the contract's value as JSON; `torch` and `needs_gpu` say which machines can train its models.
    Workers may train the models with an index below `offered`.
    """

    __tablename__ = "oracle_banks"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    identity: Mapped[dict[str, Any]]
    torch: Mapped[str] = mapped_column(String(64))
    needs_gpu: Mapped[bool]
    offered: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
