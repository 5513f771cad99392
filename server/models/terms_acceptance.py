"""Who has accepted the terms of a competition."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base
from lethe.server.models.times import utc_now


class TermsAcceptance(Base):
    """One version of the terms, by the SHA-256 of its text, that a person has accepted. Former versions stay."""

    __tablename__ = "terms_acceptances"

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    terms_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    accepted_at: Mapped[datetime] = mapped_column(default=utc_now)
