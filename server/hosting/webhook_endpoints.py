"""REST: webhooks of teams and of hosts, what was sent to them, and sending it again."""

from uuid import UUID

from fastapi import APIRouter

from lethe.server.competitions.service import get_hosted, lock_competition
from lethe.server.context import AppContext
from lethe.server.hosting import webhooks
from lethe.server.http.paging import Page, PageCursor, PageLimit
from lethe.server.models import Competition
from lethe.server.security.credentials import CurrentUser
from lethe.server.teams.service import get_own
from lethe.server.webhooks import queries
from lethe.server.webhooks.schemas import DeliveryView, NewWebhook, WebhookCreated, WebhookView

router = APIRouter(tags=["webhooks"])


@router.get("/teams/{team_id}/webhooks")
def list_team_webhooks(team_id: UUID, user: CurrentUser, context: AppContext) -> list[WebhookView]:
    """Webhooks of a team of mine."""
    with context.database.read() as session:
        team = get_own(session, team_id, user)
        return [webhooks.webhook_view(one) for one in queries.webhooks_of(session, team.competition_id, team.id)]


@router.post("/teams/{team_id}/webhooks", status_code=201)
def add_team_webhook(team_id: UUID, new: NewWebhook, user: CurrentUser, context: AppContext) -> WebhookCreated:
    """Have my team's events sent to an address."""
    with context.database.write() as session:
        team = get_own(session, team_id, user, lock=True)
        competition = session.get_one(Competition, team.competition_id)
        return webhooks.add_webhook(session, context.settings, competition, team, new, user)


@router.get("/competitions/{slug}/webhooks")
def list_host_webhooks(slug: str, user: CurrentUser, context: AppContext) -> list[WebhookView]:
    """Webhooks of a competition's hosts; for hosts."""
    with context.database.read() as session:
        competition = get_hosted(session, slug, user)
        return [webhooks.webhook_view(one) for one in queries.webhooks_of(session, competition.id, None)]


@router.post("/competitions/{slug}/webhooks", status_code=201)
def add_host_webhook(slug: str, new: NewWebhook, user: CurrentUser, context: AppContext) -> WebhookCreated:
    """Have the events of all teams of a competition sent to an address; for hosts."""
    with context.database.write() as session:
        get_hosted(session, slug, user)
        return webhooks.add_webhook(session, context.settings, lock_competition(session, slug), None, new, user)


@router.delete("/webhooks/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: UUID, user: CurrentUser, context: AppContext) -> None:
    """Delete a webhook with its deliveries; what waits is not sent."""
    with context.database.write() as session:
        webhooks.delete_webhook(session, webhooks.get_webhook(session, webhook_id, user), user)


@router.get("/webhooks/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: UUID, user: CurrentUser, context: AppContext, cursor: PageCursor = None, limit: PageLimit = 20
) -> Page[DeliveryView]:
    """What was sent to a webhook in the last 30 days, with the last answers."""
    with context.database.read() as session:
        webhook = webhooks.get_webhook(session, webhook_id, user)
        rows, following = queries.deliveries_of(session, webhook.id, cursor=cursor, limit=limit)
        items = [DeliveryView.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=following)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def redeliver(webhook_id: UUID, delivery_id: UUID, user: CurrentUser, context: AppContext) -> DeliveryView:
    """Send a message again, under its former `webhook-id`."""
    with context.database.write() as session:
        webhook = webhooks.get_webhook(session, webhook_id, user)
        found = webhooks.redeliver(session, webhook, delivery_id, user)
        return DeliveryView.model_validate(found, from_attributes=True)
