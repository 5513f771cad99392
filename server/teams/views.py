"""Teams as their members see them."""

from sqlalchemy.orm import Session

from lethe.server.competitions.service import specification
from lethe.server.models import Competition, Team
from lethe.server.teams import queries
from lethe.server.teams.invites import open_invites
from lethe.server.teams.schemas import InviteRow, TeamView
from lethe.server.teams.service import has_submitted


def team_view(session: Session, team: Team) -> TeamView:
    """Return `team` as its members see it."""
    competition = session.get_one(Competition, team.competition_id)
    return TeamView(
        id=team.id,
        competition=competition.slug,
        name=team.name,
        members=queries.member_names(session, team.id),
        size_limit=specification(competition).team_size,
        is_fixed=has_submitted(session, team),
        invites=[InviteRow.model_validate(found, from_attributes=True) for found in open_invites(session, team)],
    )
