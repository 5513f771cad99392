"""Pages of teams: my team in a competition, its invitations, and joining another one."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from server.competitions import service as competitions
from server.context import AppContext, Context
from server.errors import RequestError
from server.models import Competition, Team
from server.pages import texts
from server.pages.competition import view as views
from server.pages.formatting import Moment, moment
from server.pages.forms import notice, refusal, refusal_status, to, to_login
from server.pages.rendering import READ, page
from server.security.sessions import FormVisitor, OptionalVisitor, Visitor
from server.teams import invites
from server.teams import service as teams
from server.teams.schemas import NewTeam, TeamView
from server.teams.views import team_view

router = APIRouter(include_in_schema=False)


Text = Annotated[str, Form(max_length=1_000)]


@dataclass(frozen=True)
class InviteLine:
    """An invitation that nobody has accepted yet; its code was shown once."""

    id: str
    expires: Moment


@dataclass(frozen=True)
class TeamPage:
    """My team in one competition; without a name there is none yet."""

    card: views.Card
    notice: str
    problem: str
    name: str
    members: tuple[str, ...]
    size_limit: int
    is_fixed: bool
    invites: tuple[InviteLine, ...]
    fresh_link: str


@dataclass(frozen=True)
class JoinPage:
    """The invitation that one is about to accept."""

    code: str
    problem: str


@router.api_route("/competitions/{slug}/team", methods=READ)
def team(slug: str, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """My team."""
    return to_login(request) if visitor is None else _team_page(request, context, slug, visitor)


@router.post("/competitions/{slug}/team")
def name_team(slug: str, request: Request, context: AppContext, visitor: FormVisitor, name: Text = "") -> Response:
    """Make my team, or give it another name."""
    try:
        wanted = NewTeam(name=name.strip()).name
        with context.database.write() as session:
            competition = competitions.get_competition(session, slug)
            found = teams.find_team(session, competition, visitor.user, lock=True)
            if found is None:
                teams.create(session, competition, visitor.user, wanted)
            else:
                teams.rename(session, found, wanted)
    except (RequestError, ValidationError) as error:
        return _refused(request, context, slug, visitor, error)
    return to(f"/competitions/{slug}/team", "team-made" if found is None else "renamed")


@router.post("/competitions/{slug}/team/invite")
def invite(slug: str, request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Make an invitation and show its link, this once."""
    try:
        with context.database.write() as session:
            _, code = invites.invite(session, _own(session, slug, visitor), visitor.user)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error)
    link = f"{str(request.base_url).rstrip('/')}/join?code={quote(code)}"
    return _team_page(request, context, slug, visitor, fresh_link=link)


@router.post("/competitions/{slug}/team/invites/{invite_id}/delete")
def delete_invite(slug: str, invite_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Make an invitation useless."""
    with context.database.write() as session:
        invites.delete_invite(session, _own(session, slug, visitor), invite_id)
    return to(f"/competitions/{slug}/team", "invite-deleted")


@router.post("/competitions/{slug}/team/leave")
def leave(slug: str, request: Request, context: AppContext, visitor: FormVisitor) -> Response:
    """Leave my team."""
    try:
        with context.database.write() as session:
            teams.leave(session, _own(session, slug, visitor), visitor.user)
    except RequestError as error:
        return _refused(request, context, slug, visitor, error)
    return to(f"/competitions/{slug}/team", "left")


@router.api_route("/join", methods=READ)
def join_form(request: Request, visitor: OptionalVisitor, code: str = "") -> Response:
    """Where an invitation's link leads: accepting takes a click, so that no mere link changes a team."""
    if visitor is None:
        return to(f"/login?next={quote(f'/join?code={quote(code)}')}")
    return page(request, "team/join.html", JoinPage(code=code, problem=""), visitor, keep=False)


@router.post("/join")
def join(request: Request, context: AppContext, visitor: FormVisitor, code: Text = "") -> Response:
    """Accept an invitation."""
    try:
        with context.database.write() as session:
            joined = invites.accept(session, code.strip(), visitor.user)
            slug = session.get_one(Competition, joined.competition_id).slug
    except RequestError as error:
        return page(request, "team/join.html", JoinPage(code, refusal(error)), visitor, status=error.status)
    return to(f"/competitions/{slug}/team", "joined")


def _own(session: Session, slug: str, visitor: Visitor) -> Team:
    found = teams.find_team(session, competitions.get_competition(session, slug), visitor.user, lock=True)
    if found is None:
        raise teams.TeamNotFound(texts.NO_TEAM.format(slug=slug))
    return found


def _refused(
    request: Request, context: Context, slug: str, visitor: Visitor, error: RequestError | ValidationError
) -> Response:
    problem = refusal(error, NewTeam)
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
        card = views.card(competitions.row(session, competition))
        size_limit = competitions.specification(competition).team_size
        found = teams.find_team(session, competition, visitor.user)
        shown: TeamView | None = None if found is None else team_view(session, found)
    view = TeamPage(
        card=card,
        notice=notice(request),
        problem=problem,
        name="" if shown is None else shown.name,
        members=() if shown is None else tuple(shown.members),
        size_limit=size_limit,
        is_fixed=shown is not None and shown.is_fixed,
        invites=()
        if shown is None
        else tuple(InviteLine(str(one.id), moment(one.expires_at)) for one in shown.invites),
        fresh_link=fresh_link,
    )
    return page(request, "team/team.html", view, visitor, status=status, keep=False)
