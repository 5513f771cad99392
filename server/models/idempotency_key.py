"""An Idempotency-Key that an account sent with an upload, and the answer that it got."""

from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Entity


class IdempotencyKey(Entity):
    """`request_sha256` covers everything that the answer depends on; `status` is the answer's HTTP status."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("user_id", "key"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    request_sha256: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    status: Mapped[int]
