"""The number of checked uploads of a subject on one day."""

from datetime import date

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base


class UploadAttempt(Base):
    """`subject` names an account in a competition, or an address; `day` is in UTC."""

    __tablename__ = "upload_attempts"

    day: Mapped[date] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(100), primary_key=True)
    count: Mapped[int]
