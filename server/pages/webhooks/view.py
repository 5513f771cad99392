"""Webhooks with what was sent to them, as values for their template."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lethe.server.models import Webhook, WebhookDelivery
from lethe.server.pages.card import Card
from lethe.server.pages.formatting import Moment, moment
from lethe.server.webhooks import queries
from lethe.server.webhooks.events import EVENTS, Event

DELIVERIES_SHOWN = 20


@dataclass(frozen=True)
class DeliveryLine:
    """A message with the last answer to it."""

    id: str
    event: str
    created: Moment
    outcome: str
    answer: str
    can_redeliver: bool


@dataclass(frozen=True)
class WebhookPart:
    """A webhook and its newest deliveries."""

    id: str
    url: str
    events: str
    deliveries: tuple[DeliveryLine, ...]


@dataclass(frozen=True)
class WebhooksPage:
    """The webhooks of a team, or those of the hosts; `path` is that of the page."""

    card: Card
    path: str
    is_host: bool
    notice: str
    problem: str
    secret: str
    typed: str
    events: tuple[tuple[str, str], ...]
    webhooks: tuple[WebhookPart, ...]


def webhooks_page(
    session: Session, card: Card, found: queries.Webhooks, *, path: str, is_host: bool, **said: str
) -> WebhooksPage:
    """Return the page. `said`: `notice`, `problem`, `secret` of a webhook that was just added, `typed` address."""
    return WebhooksPage(
        card=card,
        path=path,
        is_host=is_host,
        events=tuple((event.value, about) for event, about in EVENTS.items()),
        webhooks=tuple(_part(session, webhook) for webhook in found),
        **said,
    )


def _part(session: Session, webhook: Webhook) -> WebhookPart:
    rows, _ = queries.deliveries_of(session, webhook.id, cursor=None, limit=DELIVERIES_SHOWN)
    events = ", ".join(event for event in Event if event in webhook.events)
    return WebhookPart(str(webhook.id), webhook.url, events, tuple(_line(row) for row in rows))


def _line(row: WebhookDelivery) -> DeliveryLine:
    tries = f"{row.attempts} {'try' if row.attempts == 1 else 'tries'}"
    if row.delivered_at is not None:
        outcome = f"taken: {row.status}"
    elif row.retry_at is None:
        outcome = f"given up after {tries}"
    else:
        outcome = f"waiting, {tries}"
    if row.delivered_at is None and row.status is not None:
        outcome += f", last answer: {row.status}"
    return DeliveryLine(
        id=str(row.id),
        event=row.event,
        created=moment(row.created_at),
        outcome=outcome,
        answer=row.problem or row.answer,
        can_redeliver=row.attempts > 0,
    )
