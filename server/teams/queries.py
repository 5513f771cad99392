"""SQL of teams, their members and their invitations."""

from collections.abc import Set
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, bindparam, delete, func, select
from sqlalchemy.orm import Session

from lethe.server.database.statements import prepared
from lethe.server.models import Submission, Team, TeamInvite, TeamMember, User


@prepared
def locked_user() -> Select[UUID]:
    """The row of `user_id`, locked until the commit."""
    return select(User.id).where(User.id == bindparam("user_id")).with_for_update()


@prepared
def team_of_user(lock: bool) -> Select[Team]:
    """The team of `user_id` in `competition_id`; locked until the commit if `lock`."""
    query = (
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.competition_id == bindparam("competition_id"), TeamMember.user_id == bindparam("user_id"))
    )
    return query.with_for_update(of=Team) if lock else query


def teams_of_user(session: Session, user_id: UUID) -> list[Team]:
    """Return the user's teams, one for each competition, the newest first."""
    return list(
        session.scalars(
            select(Team)
            .join(TeamMember, TeamMember.team_id == Team.id)
            .where(TeamMember.user_id == user_id)
            .order_by(Team.created_at.desc(), Team.id)
        )
    )


def team_with_member(session: Session, team_id: UUID, user_id: UUID, *, lock: bool) -> Team | None:
    """Return the team if the user is in it, or None; locked until the commit if `lock`."""
    query = (
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(Team.id == team_id, TeamMember.user_id == user_id)
    )
    return session.scalar(query.with_for_update(of=Team) if lock else query)


def lock_teams(session: Session, team_ids: Set[UUID]) -> dict[UUID, Team]:
    """Return the teams by id, locked in one order, so that two people who change places do not deadlock."""
    locked = session.scalars(select(Team).where(Team.id.in_(team_ids)).order_by(Team.id).with_for_update())
    return {team.id: team for team in locked}


def names_like(session: Session, competition_id: UUID, *, key: str, skeleton: str) -> set[str]:
    """Return keys and skeletons of a competition's teams of which either begins as given."""
    begins = Team.name_key.startswith(key, autoescape=True) | Team.name_skeleton.startswith(skeleton, autoescape=True)
    rows = session.execute(
        select(Team.name_key, Team.name_skeleton).where(Team.competition_id == competition_id, begins)
    )
    return {text for row in rows for text in row if text is not None}


def member_names(session: Session, team_id: UUID) -> list[str]:
    """Return the user names of a team's members in alphabetical order."""
    return list(
        session.scalars(
            select(User.username)
            .join(TeamMember, TeamMember.user_id == User.id)
            .where(TeamMember.team_id == team_id)
            .order_by(User.username_key)
        )
    )


def count_members(session: Session, team_id: UUID) -> int:
    """Return how many members a team has."""
    return session.scalar(select(func.count()).where(TeamMember.team_id == team_id)) or 0


def remove_member(session: Session, team_id: UUID, user_id: UUID) -> None:
    """Take a user out of a team."""
    session.execute(delete(TeamMember).where(TeamMember.team_id == team_id, TeamMember.user_id == user_id))


def has_submitted(session: Session, team_id: UUID) -> bool:
    """Whether there is any submission of a team, however it ended."""
    return session.scalar(select(Submission.id).where(Submission.team_id == team_id).limit(1)) is not None


def has_uploaded(session: Session, team_id: UUID, user_id: UUID) -> bool:
    """Whether there is any submission of a user for a team, however it ended."""
    own = (Submission.team_id == team_id, Submission.user_id == user_id)
    return session.scalar(select(Submission.id).where(*own).limit(1)) is not None


def open_invites(session: Session, team_id: UUID, now: datetime) -> list[TeamInvite]:
    """Return the invitations to a team that can still be accepted, newest first."""
    return list(
        session.scalars(
            select(TeamInvite)
            .where(TeamInvite.team_id == team_id, TeamInvite.accepted_at.is_(None), TeamInvite.expires_at > now)
            .order_by(TeamInvite.created_at.desc())
        )
    )


def open_invite(session: Session, digest: str, now: datetime, *, lock: bool) -> TeamInvite | None:
    """Return the unused, unexpired invitation with this digest, or None; locked until the commit if `lock`."""
    query = select(TeamInvite).where(
        TeamInvite.digest == digest, TeamInvite.accepted_at.is_(None), TeamInvite.expires_at > now
    )
    return session.scalar(query.with_for_update() if lock else query)


def invite_of_team(session: Session, team_id: UUID, invite_id: UUID) -> TeamInvite | None:
    """Return the invitation if it is to this team, or None."""
    return session.scalar(select(TeamInvite).where(TeamInvite.id == invite_id, TeamInvite.team_id == team_id))
