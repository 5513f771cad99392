"""The outputs of all runs of a scored submission, packed into one artifact."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import NULLABLE_JSON, Entity


class OutputPack(Entity):
    """Stored in the transaction that commits the score; from then on nothing needs the files of single runs.

    `key` and `sha256` are of the first part. `further` lists those of the other parts, as an ArtifactRef each; NULL
    without any. `size_bytes` is of all.
    """

    __tablename__ = "output_packs"
    __table_args__ = (UniqueConstraint("submission_id", "generation"),)

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"))
    generation: Mapped[int]
    key: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    further: Mapped[list[Any] | None] = mapped_column(NULLABLE_JSON, default=None)
