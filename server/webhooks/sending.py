"""Sends what is due to webhooks, one message at a time."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from lethe.server.context import Context
from lethe.server.database import counters
from lethe.server.logs import get_logger
from lethe.server.mail.sending import backoff
from lethe.server.models import Webhook, WebhookDelivery
from lethe.server.models.times import utc_now
from lethe.server.plain_text import visible
from lethe.server.settings import parse_networks
from lethe.server.webhooks import queries
from lethe.server.webhooks.transport import WebhookAnswer, WebhookUnreachable, post

log = get_logger(__name__)

TRIED = timedelta(hours=24)
"""A message that could not be delivered for so long is given up."""
KEPT = timedelta(days=30)
"""How long deliveries are listed."""
_GONE = 410
_PROBLEM_CHARS = 300


@dataclass(frozen=True)
class _Message:
    """A message in hand; what else was due for its webhook waits until `until`."""

    id: UUID
    webhook_id: UUID
    url: str
    secret: str
    body: bytes
    until: datetime


def send_next(context: Context) -> bool:
    """Send the message that has waited longest; False if none is due.

    Everything that is due for its webhook is postponed before it is tried, so that no two threads or processes send to
    one receiver at a time, and a receiver that does not answer holds up one of them for some seconds only.
    """
    with context.database.read() as session:
        if not queries.waiting(session, utc_now())[0]:
            return False  # most often so: nobody else has to wait for a writer
    with context.database.write() as session:
        now = utc_now()
        webhook = queries.lock_next_webhook(session, now)
        if webhook is None:
            return False
        found = queries.first_due(session, webhook.id, now)
        if found is None:  # another process was faster
            return True
        message = _take(webhook, found, now)
        session.flush()
        queries.postpone_due(session, webhook.id, now, message.until)
    try:
        answer = post(
            message.url,
            message.body,
            secret=message.secret,
            message_id=message_id(message.id),
            networks=parse_networks(context.settings.webhook_networks),
        )
    except WebhookUnreachable as error:
        _store(context, message, None, error)
    else:
        _store(context, message, answer, None)
    return True


def message_id(delivery_id: UUID) -> str:
    """Return the `webhook-id` of a delivery, which stays the same however often it is sent."""
    return f"msg_{delivery_id.hex}"


def drop_old(context: Context) -> None:
    """Delete deliveries that are no longer listed."""
    with context.database.write() as session:
        queries.delete_deliveries_before(session, utc_now() - KEPT)


def _take(webhook: Webhook, found: WebhookDelivery, now: datetime) -> _Message:
    until = now + backoff(found.attempts)
    found.attempts += 1
    found.retry_at = until
    body = json.dumps(found.payload, ensure_ascii=False, separators=(",", ":")).encode()
    return _Message(found.id, webhook.id, webhook.url, webhook.secret, body, until)


def _store(context: Context, message: _Message, answer: WebhookAnswer | None, error: WebhookUnreachable | None) -> None:
    """Store what a try came to. Who answered gets the others of its webhook now, else they wait as it does."""
    with context.database.write() as session:
        found = queries.lock_delivery(session, message.webhook_id, message.id)
        if found is None:  # the webhook was deleted
            return
        now = utc_now()
        is_taken = answer is not None and 200 <= answer.status < 300
        is_final = (error is not None and error.is_final) or (answer is not None and answer.status == _GONE)
        found.tried_at = now
        found.status = None if answer is None else answer.status
        found.answer = "" if answer is None else visible(answer.start)[:1000]
        found.problem = "" if error is None else visible(str(error))[:_PROBLEM_CHARS]
        found.delivered_at = now if is_taken else None
        is_given_up = not is_taken and (is_final or now - found.due_at >= TRIED)
        if is_taken or is_given_up:
            found.retry_at = None
        if is_given_up:
            counters.add(session, counters.WEBHOOKS_GIVEN_UP)
        if answer is not None:
            queries.move_others(session, found, message.until, now)
        event, fields = found.event, {"status": found.status, "problem": found.problem, "attempts": found.attempts}
    outcome = "webhook_sent" if is_taken else "webhook_given_up" if is_given_up else "webhook_postponed"
    log.info(outcome, webhook_id=str(message.webhook_id), kind=event, **fields)
