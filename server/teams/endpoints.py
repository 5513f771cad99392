"""REST: teams, and the invitations to join them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from lethe.server.competitions.service import get_competition
from lethe.server.context import AppContext
from lethe.server.security.credentials import CurrentUser
from lethe.server.teams import invites, service
from lethe.server.teams.schemas import InviteCreated, NewTeam, TeamView
from lethe.server.teams.views import team_view

router = APIRouter(tags=["teams"])


@router.post("/competitions/{slug}/teams", status_code=201)
def create_team(slug: str, new: NewTeam, user: CurrentUser, context: AppContext) -> TeamView:
    """Create a team. Without one, the first upload creates a team of one."""
    with context.database.write() as session:
        team = service.create(session, get_competition(session, slug), user, new.name)
        return team_view(session, team)


@router.get("/competitions/{slug}/team")
def get_my_team(slug: str, user: CurrentUser, context: AppContext) -> TeamView:
    """My team in a competition; 404 before I have one."""
    with context.database.read() as session:
        team = service.find_team(session, get_competition(session, slug), user)
        if team is None:
            raise service.TeamNotFound(
                f"You have no team in {slug} yet. Create one, accept an invitation, or upload to get a team of one."
            )
        return team_view(session, team)


@router.get("/teams/{team_id}")
def get_team(team_id: UUID, user: CurrentUser, context: AppContext) -> TeamView:
    """A team of mine."""
    with context.database.read() as session:
        return team_view(session, service.get_own(session, team_id, user))


@router.patch("/teams/{team_id}")
def rename_team(team_id: UUID, new: NewTeam, user: CurrentUser, context: AppContext) -> TeamView:
    """Rename my team; any member may."""
    with context.database.write() as session:
        team = service.get_own(session, team_id, user, lock=True)
        service.rename(session, team, new.name)
        return team_view(session, team)


@router.post("/teams/{team_id}/leave", status_code=204)
def leave_team(team_id: UUID, user: CurrentUser, context: AppContext) -> None:
    """Leave a team that has not submitted. When the last member leaves, the team is deleted."""
    with context.database.write() as session:
        service.leave(session, service.get_own(session, team_id, user, lock=True), user)


@router.post("/teams/{team_id}/invites", status_code=201)
def invite(team_id: UUID, user: CurrentUser, context: AppContext) -> InviteCreated:
    """Create an invitation code with which one person can join my team within seven days."""
    with context.database.write() as session:
        made, code = invites.invite(session, service.get_own(session, team_id, user, lock=True), user)
    return InviteCreated(id=made.id, code=code, expires_at=made.expires_at)


@router.delete("/teams/{team_id}/invites/{invite_id}", status_code=204)
def delete_invite(team_id: UUID, invite_id: UUID, user: CurrentUser, context: AppContext) -> None:
    """Delete an invitation."""
    with context.database.write() as session:
        invites.delete_invite(session, service.get_own(session, team_id, user), invite_id)


@router.post("/invites/{code}/accept")
def accept_invite(code: Annotated[str, Path(max_length=100)], user: CurrentUser, context: AppContext) -> TeamView:
    """Join the team of an invitation code, and leave a team that has not submitted."""
    with context.database.write() as session:
        return team_view(session, invites.accept(session, code, user))
