"""SQL of webhooks and of what is sent to them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from lethe.server.database.paging import fetch_page
from lethe.server.models import Webhook, WebhookDelivery

Webhooks = Sequence[Webhook]


def webhooks_to_tell(session: Session, competition_id: UUID, team_id: UUID | None) -> Webhooks:
    """Return the webhooks of a team, if one is given, and of the hosts of its competition."""
    theirs = Webhook.team_id.is_(None) if team_id is None else Webhook.team_id.is_(None) | (Webhook.team_id == team_id)
    return session.scalars(select(Webhook).where(Webhook.competition_id == competition_id, theirs)).all()


def webhooks_of_competition(session: Session, competition_id: UUID) -> Webhooks:
    """Return the webhooks of all teams of a competition and of its hosts."""
    return session.scalars(select(Webhook).where(Webhook.competition_id == competition_id)).all()


def webhooks_of(session: Session, competition_id: UUID, team_id: UUID | None) -> Webhooks:
    """Return the webhooks of a team, or those of the hosts if none is given, the oldest first."""
    return session.scalars(
        select(Webhook)
        .where(Webhook.competition_id == competition_id, Webhook.team_id.is_not_distinct_from(team_id))
        .order_by(Webhook.created_at, Webhook.id)
    ).all()


def deliveries_of(
    session: Session, webhook_id: UUID, *, cursor: str | None, limit: int
) -> tuple[list[WebhookDelivery], str | None]:
    """Return a page of what was sent to a webhook, the newest first, and the next cursor."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    return fetch_page(session, query, WebhookDelivery, cursor=cursor, limit=limit)


def lock_delivery(session: Session, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
    """Return a delivery of a webhook, locked until the commit, or None."""
    return session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id)
        .with_for_update()
    )


def lock_next_webhook(session: Session, now: datetime) -> Webhook | None:
    """Return the webhook whose delivery has waited longest, locked; None if nothing is due. Skips locked ones."""
    return session.scalar(
        select(Webhook)
        .join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)
        .where(WebhookDelivery.retry_at <= now)
        .order_by(WebhookDelivery.retry_at)
        .limit(1)
        .with_for_update(of=Webhook, skip_locked=True)
    )


def first_due(session: Session, webhook_id: UUID, now: datetime) -> WebhookDelivery | None:
    """Return the delivery of a webhook that has waited longest, or None if none is due."""
    return session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.retry_at <= now)
        .order_by(WebhookDelivery.retry_at, WebhookDelivery.created_at, WebhookDelivery.id)
        .limit(1)
    )


def postpone_due(session: Session, webhook_id: UUID, now: datetime, until: datetime) -> None:
    """Let what is due for a webhook wait."""
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.retry_at <= now)
        .values(retry_at=until),
        execution_options={"synchronize_session": False},
    )


def move_others(session: Session, delivery: WebhookDelivery, former: datetime, moment: datetime) -> None:
    """Try at `moment` what was to be tried at `former`, but for this delivery."""
    session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.webhook_id == delivery.webhook_id,
            WebhookDelivery.retry_at == former,
            WebhookDelivery.id != delivery.id,
        )
        .values(retry_at=moment),
        execution_options={"synchronize_session": False},
    )


def delete_deliveries_before(session: Session, moment: datetime) -> None:
    """Delete deliveries that are as old and wait no more."""
    session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.created_at < moment, WebhookDelivery.retry_at.is_(None))
    )


def waiting(session: Session, now: datetime) -> tuple[int, datetime | None]:
    """Return how many deliveries should have been sent, and when the first of them was due."""
    row = session.execute(
        select(func.count(), func.min(WebhookDelivery.due_at)).where(
            WebhookDelivery.retry_at.is_not(None), WebhookDelivery.due_at <= now
        )
    ).one()
    return int(row[0]), row[1]
