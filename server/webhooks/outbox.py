"""What is to be sent to webhooks, written in the transaction of what happened."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.server.models import WebhookDelivery
from lethe.server.models.times import utc_now
from lethe.server.webhooks import queries
from lethe.server.webhooks.events import TYPES, Event


def tell_team_and_hosts(
    session: Session, competition_id: UUID, team_id: UUID | None, event: Event, *, at: datetime, data: dict[str, Any]
) -> None:
    """Put `event` into the outbox for the webhooks of the team, if one is given, and of the hosts."""
    _tell(session, queries.webhooks_to_tell(session, competition_id, team_id), event, at, data)


def tell_all(session: Session, competition_id: UUID, event: Event, *, at: datetime, data: dict[str, Any]) -> None:
    """Put `event` into the outbox for every webhook of the competition."""
    _tell(session, queries.webhooks_of_competition(session, competition_id), event, at, data)


def _tell(session: Session, found: queries.Webhooks, event: Event, at: datetime, data: dict[str, Any]) -> None:
    payload = {"type": TYPES[event], "timestamp": at.isoformat(), "data": data}
    now = utc_now()
    for webhook in found:
        if event in webhook.events:
            session.add(WebhookDelivery(webhook_id=webhook.id, event=event, payload=payload, due_at=now, retry_at=now))
