"""Rules of teams: a person without one becomes a team of one."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.models import Competition, Team, TeamMember, User


def team_of(session: Session, competition: Competition, user: User) -> Team:
    """The user's team in `competition`, made on first use under the user's name, locked until the commit.

    The lock on the user keeps two first uploads from making two teams; the lock on the team lets one upload of the
    team see the other.
    """
    session.execute(select(User.id).where(User.id == user.id).with_for_update())
    team = session.scalar(
        select(Team)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.competition_id == competition.id, TeamMember.user_id == user.id)
        .with_for_update(of=Team)
    )
    if team is None:
        team = Team(competition_id=competition.id, name=user.username, name_key=user.username_key)
        session.add(team)
        session.flush()
        session.add(TeamMember(competition_id=competition.id, user_id=user.id, team_id=team.id))
        session.flush()
    return team
