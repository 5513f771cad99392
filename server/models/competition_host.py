"""The hosts of competitions."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class CompetitionHost(Base):
    """A user with the rights of a host in one competition."""

    __tablename__ = "competition_hosts"

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
