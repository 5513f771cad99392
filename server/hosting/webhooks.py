"""Webhooks of teams and of hosts: add, list, delete, and send again. Every action is in the audit log."""

from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from lethe.server.accounts.roles import is_host
from lethe.server.audit_log.events import record, user_actor
from lethe.server.errors import Conflict, NotFound
from lethe.server.models import Competition, Team, User, Webhook, WebhookDelivery
from lethe.server.models.times import utc_now
from lethe.server.settings import Settings
from lethe.server.teams.service import TeamNotFound, get_own
from lethe.server.webhooks import queries
from lethe.server.webhooks.addresses import require_address
from lethe.server.webhooks.schemas import NewWebhook, WebhookCreated, WebhookView
from lethe.server.webhooks.transport import new_signing_secret

MAX_WEBHOOKS = 5
"""Of a team, and of the hosts of a competition."""


class WebhookNotFound(NotFound):
    """Does not exist, or belongs to others."""

    code = "webhook_not_found"
    title = "No such webhook"


class TooManyWebhooks(Conflict):
    """A team, and the hosts of a competition, have a bounded number of webhooks."""

    code = "too_many_webhooks"
    title = "Too many webhooks"


class AlreadyWaiting(Conflict):
    """What waits is sent anyway."""

    code = "already_waiting"
    title = "Waiting already"


def add_webhook(
    session: Session, settings: Settings, competition: Competition, team: Team | None, new: NewWebhook, user: User
) -> WebhookCreated:
    """Store a webhook of `team`, or of the hosts if there is none, with a new secret.

    The caller has checked who `user` is, and has locked the team or the competition. Raises InvalidWebhook,
    TooManyWebhooks.
    """
    url = require_address(new.url, settings.webhook_networks)
    team_id = None if team is None else team.id
    if len(queries.webhooks_of(session, competition.id, team_id)) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(f"There are {MAX_WEBHOOKS} webhooks already. Delete one first.")
    made = Webhook(
        competition_id=competition.id,
        team_id=team_id,
        url=url,
        secret=new_signing_secret(),
        events=list(dict.fromkeys(new.events)),
    )
    session.add(made)
    session.flush()
    _record(session, "webhook.add", made, user)
    return WebhookCreated(**webhook_view(made).model_dump(), secret=made.secret)


def get_webhook(session: Session, webhook_id: UUID, user: User) -> Webhook:
    """Return a webhook of a team of `user`, or of a competition that they host; raises WebhookNotFound."""
    found = session.get(Webhook, webhook_id)
    if found is not None and _is_own(session, found, user):
        return found
    raise WebhookNotFound("You have no webhook with this id.")


def delete_webhook(session: Session, webhook: Webhook, user: User) -> None:
    """Delete a webhook with its deliveries; what waits is not sent."""
    _record(session, "webhook.delete", webhook, user)
    session.delete(webhook)


def redeliver(session: Session, webhook: Webhook, delivery_id: UUID, user: User) -> WebhookDelivery:
    """Send a message again, for a day, under its former `webhook-id`; raises WebhookNotFound, AlreadyWaiting."""
    found = queries.lock_delivery(session, webhook.id, delivery_id)
    if found is None:
        raise WebhookNotFound("This webhook has no delivery with this id. They are listed for 30 days.")
    now = utc_now()
    if found.retry_at is not None and (found.attempts == 0 or found.retry_at <= now):
        raise AlreadyWaiting("It is being sent. Its answer is listed within a minute.")
    found.due_at = found.retry_at = now
    found.attempts, found.delivered_at = 0, None
    _record(session, "webhook.redeliver", webhook, user, delivery=str(found.id))
    return found


def webhook_view(webhook: Webhook) -> WebhookView:
    """Return a webhook without its secret."""
    return WebhookView.model_validate(webhook, from_attributes=True)


def _is_own(session: Session, webhook: Webhook, user: User) -> bool:
    if webhook.team_id is None:
        return is_host(session, session.get_one(Competition, webhook.competition_id), user)
    try:
        get_own(session, webhook.team_id, user)
    except TeamNotFound:
        return False
    return True


def _record(session: Session, action: str, webhook: Webhook, user: User, **details: str) -> None:
    """Record an action without the path of the address, in which there may be a token."""
    competition = session.get_one(Competition, webhook.competition_id)
    team = None if webhook.team_id is None else session.get_one(Team, webhook.team_id)
    target = competition.slug if team is None else team.name
    host = urlsplit(webhook.url).hostname
    record(
        session,
        action,
        target,
        actor=user_actor(user),
        competition=competition,
        id=str(webhook.id),
        host=host,
        **details,
    )
