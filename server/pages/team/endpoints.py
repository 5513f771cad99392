"""Routes of teams: my team in a competition, its invitations, and joining another one."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.errors import RequestError
from lethe.server.http.sub_path import public_url
from lethe.server.models import Competition, Team
from lethe.server.pages.card import card
from lethe.server.pages.forms import notice, redirect, redirect_to_login, refusal_status, refusal_text
from lethe.server.pages.rendering import render_page
from lethe.server.pages.team.view import JoinPage, team_page
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, Visitor
from lethe.server.teams import invites
from lethe.server.teams import service as teams
from lethe.server.teams.schemas import NewTeam
from lethe.server.teams.views import team_view

router = APIRouter(include_in_schema=False)


Text = Annotated[str, Form(max_length=1_000)]


@router.get("/competitions/{slug}/team")
def team(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show my team."""
    return redirect_to_login(request) if visitor is None else _team_page(request, context, slug, visitor)


@router.post("/competitions/{slug}/team")
def name_team(slug: str, request: Request, context: AppContext, visitor: FormVisitor, name: Text = "") -> Response:
    """Create or rename my team."""
    try:
        new_name = NewTeam(name=name.strip()).name
        with context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            found = teams.find_team(session, competition, visitor.user, lock=True)
            if found is None:
                teams.create(session, competition, visitor.user, new_name)
            else:
                teams.rename(session, found, new_name)
    except (RequestError, ValidationError) as error:
        return _refused(request, context, slug, visitor, error)
    return redirect(f"/competitions/{slug}/team", "team-made" if found is None else "renamed")


@router.post("/competitions/{slug}/team/invite")
def invite(slug: str, request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Create an invitation and show its link, this once."""
    try:
        with context.database.write() as session:
            _, code = invites.invite(session, _own_team(session, slug, visitor), visitor.user)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error)
    link = f"{public_url(request)}/join?code={quote(code)}"
    return _team_page(request, context, slug, visitor, fresh_link=link)


@router.post("/competitions/{slug}/team/invites/{invite_id}/delete")
def delete_invite(slug: str, invite_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Delete an invitation."""
    with context.database.write() as session:
        invites.delete_invite(session, _own_team(session, slug, visitor), invite_id)
    return redirect(f"/competitions/{slug}/team", "invite-deleted")


@router.post("/competitions/{slug}/team/leave")
def leave(slug: str, request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Leave my team."""
    try:
        with context.database.write() as session:
            teams.leave(session, _own_team(session, slug, visitor), visitor.user)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error)
    return redirect(f"/competitions/{slug}/team", "left")


@router.get("/join")
def join_form(request: Request, visitor: OptionalVisitor, code: str = "") -> Response:
    """Show the invitation of a link. Accepting takes a click, so that no mere link changes a team."""
    if visitor is None:
        return redirect_to_login(request)
    return render_page(request, "team/join.html", JoinPage(code=code, problem=""), visitor, cacheable=False)


@router.post("/join")
def join(request: Request, context: AppContext, visitor: FormVisitor, code: Text = "") -> Response:
    """Accept an invitation."""
    try:
        with context.database.write() as session:
            joined = invites.accept(session, code.strip(), visitor.user)
            slug = session.get_one(Competition, joined.competition_id).slug
    except RequestError as error:
        return render_page(request, "team/join.html", JoinPage(code, refusal_text(error)), visitor, status=error.status)
    return redirect(f"/competitions/{slug}/team", "joined")


def _own_team(session: Session, slug: str, visitor: Visitor) -> Team:
    found = teams.find_team(session, competitions.get_competition(session, slug), visitor.user, lock=True)
    if found is None:
        raise teams.TeamNotFound(f"You have no team in {slug} yet.")
    return found


def _refused(
    request: Request, context: Context, slug: str, visitor: Visitor, error: RequestError | ValidationError
) -> Response:
    problem = refusal_text(error, NewTeam)
    return _team_page(request, context, slug, visitor, problem=problem, status=refusal_status(error))


def _team_page(
    request: Request,
    context: Context,
    slug: str,
    visitor: Visitor,
    *,
    problem: str = "",
    fresh_link: str = "",
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        competition = competitions.get_competition(session, slug)
        found = teams.find_team(session, competition, visitor.user)
        view = team_page(
            card(competitions.row(session, competition)),
            None if found is None else team_view(session, found),
            size_limit=competitions.specification(competition).team_size,
            notice=notice(request),
            problem=problem,
            fresh_link=fresh_link,
        )
    return render_page(request, "team/team.html", view, visitor, status=status, cacheable=False)
