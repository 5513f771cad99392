"""A team in one competition, its members and the invitations to join it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lethe.server.models.base import Base, Entity


class Team(Entity):
    """A competitor; a person alone is a team of one. A team with a `disqualified_reason` is on no board.

    `is_baseline`: a host's team, shown without a rank. `submissions` counts its public submissions: an upload locks the
    row anyway, and the count of a competition is a sum over its teams, which are fewer than its submissions.
    `name_skeleton` is what the name looks like; None if an older team looked so when that was not yet compared.
    """

    __tablename__ = "teams"
    __table_args__ = (
        UniqueConstraint("competition_id", "name_key"),
        UniqueConstraint("id", "competition_id"),
        Index("ix_teams_competition_skeleton", "competition_id", "name_skeleton", unique=True),
    )

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"))
    name: Mapped[str] = mapped_column(String(40))
    name_key: Mapped[str] = mapped_column(String(80))
    name_skeleton: Mapped[str | None] = mapped_column(String(160), default=None)
    is_baseline: Mapped[bool] = mapped_column(default=False)
    submissions: Mapped[int] = mapped_column(default=0)
    disqualified_reason: Mapped[str | None] = mapped_column(String(500), default=None)


class TeamMember(Base):
    """The primary key allows one team per person and competition; the foreign key, only a team of that competition."""

    __tablename__ = "team_members"
    __table_args__ = (
        ForeignKeyConstraint(["team_id", "competition_id"], ["teams.id", "teams.competition_id"], ondelete="CASCADE"),
    )

    competition_id: Mapped[UUID] = mapped_column(ForeignKey("competitions.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[UUID] = mapped_column(index=True)


class TeamInvite(Entity):
    """Lets one person join a team. The code was shown once and is stored as a digest."""

    __tablename__ = "team_invites"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
