"""Routes of webhooks: those of my team, and those of the hosts of a competition."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from lethe.server.competitions import service as competitions
from lethe.server.context import AppContext, Context
from lethe.server.hosting import webhooks
from lethe.server.models import Competition, Team, Webhook
from lethe.server.pages.card import card
from lethe.server.pages.forms import notice, redirect, redirect_to_login, refusal_status, refusal_text
from lethe.server.pages.rendering import render_page
from lethe.server.pages.webhooks.view import webhooks_page
from lethe.server.security.sessions import FormVisitor, OptionalVisitor, Visitor
from lethe.server.teams import service as teams
from lethe.server.webhooks import queries
from lethe.server.webhooks.addresses import InvalidWebhook
from lethe.server.webhooks.events import Event
from lethe.server.webhooks.schemas import NewWebhook

router = APIRouter(include_in_schema=False)

TEAM, HOST = "/competitions/{slug}/team/webhooks", "/host/{slug}/webhooks"
Text = Annotated[str, Form(max_length=1_000)]
Events = Annotated[list[str], Form(max_length=len(Event))]


@dataclass(frozen=True)
class _Owner:
    """Whose webhooks a page is about: a team's, or without one the hosts'."""

    slug: str
    is_host: bool

    @property
    def path(self) -> str:
        return (HOST if self.is_host else TEAM).format(slug=self.slug)

    def find(self, session: Session, visitor: Visitor, *, lock: bool = False) -> tuple[Competition, Team | None]:
        """Return competition and team; raises NotFound for everybody else."""
        if self.is_host:
            found = competitions.get_hosted(session, self.slug, visitor.user)
            return (competitions.lock_competition(session, self.slug) if lock else found), None
        competition = competitions.get_competition(session, self.slug)
        team = teams.find_team(session, competition, visitor.user, lock=lock)
        if team is None:
            raise teams.TeamNotFound(f"You have no team in {self.slug} yet.")
        return competition, team


def _owner(slug: str, request: Request) -> _Owner:
    return _Owner(slug, is_host=request.scope["route"].path.startswith(HOST))


PageOwner = Annotated[_Owner, Depends(_owner)]


@router.get(TEAM)
@router.get(HOST)
def show(owner: PageOwner, request: Request, context: AppContext, visitor: OptionalVisitor) -> Response:
    """Show the webhooks of my team, or of the hosts."""
    return redirect_to_login(request) if visitor is None else _page(request, context, owner, visitor)


@router.post(TEAM)
@router.post(HOST)
def add(
    owner: PageOwner,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
    url: Text = "",
    events: Events = [],  # noqa: B006
) -> Response:
    """Add a webhook and show its secret, this once."""
    try:
        with context.database.write() as session:
            competition, team = owner.find(session, visitor, lock=True)
            new = NewWebhook.model_validate({"url": url.strip(), "events": events})
            made = webhooks.add_webhook(session, context.settings, competition, team, new, visitor.user)
    except ValidationError as error:
        problem = "Give an address, and choose what it is told."
        return _page(request, context, owner, visitor, problem=problem, typed=url, status=refusal_status(error))
    except (InvalidWebhook, webhooks.TooManyWebhooks) as error:
        return _page(
            request, context, owner, visitor, problem=refusal_text(error), typed=url, status=refusal_status(error)
        )
    return _page(request, context, owner, visitor, secret=made.secret)


@router.post(TEAM + "/{webhook_id}/delete")
@router.post(HOST + "/{webhook_id}/delete")
def delete(owner: PageOwner, webhook_id: UUID, context: AppContext, visitor: FormVisitor) -> Response:
    """Delete a webhook."""
    with context.database.write() as session:
        webhooks.delete_webhook(session, _own(session, owner, visitor, webhook_id), visitor.user)
    return redirect(owner.path, "webhook-deleted")


@router.post(TEAM + "/{webhook_id}/deliveries/{delivery_id}/redeliver")
@router.post(HOST + "/{webhook_id}/deliveries/{delivery_id}/redeliver")
def redeliver(
    owner: PageOwner,
    webhook_id: UUID,
    delivery_id: UUID,
    request: Request,
    context: AppContext,
    visitor: FormVisitor,
) -> Response:
    """Send a message again."""
    try:
        with context.database.write() as session:
            webhooks.redeliver(session, _own(session, owner, visitor, webhook_id), delivery_id, visitor.user)
    except webhooks.AlreadyWaiting as error:
        return _page(request, context, owner, visitor, problem=refusal_text(error), status=error.status)
    return redirect(owner.path, "redelivered")


def _own(session: Session, owner: _Owner, visitor: Visitor, webhook_id: UUID) -> Webhook:
    """Return a webhook of the page's owner; raises NotFound for every other one."""
    competition, team = owner.find(session, visitor, lock=True)
    found = webhooks.get_webhook(session, webhook_id, visitor.user)
    if (found.competition_id, found.team_id) != (competition.id, None if team is None else team.id):
        raise webhooks.WebhookNotFound("There is no such webhook here.")
    return found


def _page(
    request: Request,
    context: Context,
    owner: _Owner,
    visitor: Visitor,
    *,
    problem: str = "",
    secret: str = "",
    typed: str = "",
    status: int = 200,
) -> Response:
    with context.database.read() as session:
        competition, team = owner.find(session, visitor)
        view = webhooks_page(
            session,
            card(competitions.row(session, competition)),
            queries.webhooks_of(session, competition.id, None if team is None else team.id),
            path=owner.path,
            is_host=owner.is_host,
            notice=notice(request),
            problem=problem,
            secret=secret,
            typed=typed,
        )
    return render_page(request, "webhooks/webhooks.html", view, visitor, status=status, cacheable=False)
