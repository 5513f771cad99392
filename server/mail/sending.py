"""Sends what is due in the outbox, one mail at a time."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from lethe.server.context import Context
from lethe.server.database import counters
from lethe.server.logs import get_logger
from lethe.server.mail import queries
from lethe.server.mail.outbox import CHATTY
from lethe.server.mail.texts import Letter, write_letter
from lethe.server.mail.transport import MailPostponed, MailRefused, MailServerAway, as_message, deliver
from lethe.server.models import OutboxMail
from lethe.server.models.times import utc_now
from lethe.server.settings import MailServer

log = get_logger(__name__)

KEPT = timedelta(days=4)
"""A mail that could not be sent for so long is given up."""
FIRST_RETRY_S, LONGEST_RETRY_S = 60.0, 4 * 3600.0


def send_next(context: Context) -> bool:
    """Send the mail that has waited longest; False if none is due, or the mail server is away.

    A mail is postponed before it is written and tried, so one over which a process fails or dies does not hold up the
    others, and no two processes have it at a time. Nothing is lost: it leaves the outbox when the server has taken it,
    or refused it for good.
    """
    server = context.settings.mail_server
    if server is None:
        return False
    with context.database.write() as session:
        mail = queries.next_mail(session, utc_now())
        if mail is None:
            return False
        mails = [mail, *(queries.due_with(session, mail, utc_now()) if mail.kind in CHATTY else ())]
        ids, kind, attempts = [one.id for one in mails], mail.kind, mail.attempts + 1
        for one in mails:
            _postpone(one)
    with context.database.write() as session:
        found = queries.lock_mails(session, ids)
        letter = write_letter(session, found, context.settings.public_url) if found else None
        if letter is None:
            queries.delete_mails(session, ids)
    return True if letter is None else _send(context, server, letter, ids, kind, attempts)


def drop_stale(context: Context) -> None:
    """Give up mails that could not be sent for `KEPT`, also on a site that sends none any more, and expired links."""
    with context.database.write() as session:
        dropped = queries.delete_due_before(session, utc_now() - KEPT)
        counters.add(session, counters.MAILS_GIVEN_UP, dropped)
        queries.delete_expired_secrets(session, utc_now())
    if dropped:
        log.error("mails_given_up", count=dropped)


def _send(context: Context, server: MailServer, letter: Letter, ids: Sequence[UUID], kind: str, attempts: int) -> bool:
    try:
        deliver(server, as_message(letter, context.settings.mail_from))
    except MailPostponed as error:
        log.warning("mail_postponed", kind=kind, attempts=attempts, error=str(error))
        return not isinstance(error, MailServerAway)  # the others may be taken
    except MailRefused as error:
        log.error("mail_refused", kind=kind, error=str(error))  # noqa: TRY400 - one line says it all
        is_refused = True
    else:
        log.info("mail_sent", kind=kind, attempts=attempts)
        is_refused = False
    with context.database.write() as session:
        queries.delete_mails(session, ids)
        counters.add(session, counters.MAILS_REFUSED, float(is_refused))
    return True


def _postpone(mail: OutboxMail) -> None:
    mail.retry_at = utc_now() + backoff(mail.attempts)
    mail.attempts += 1


def backoff(attempts: int) -> timedelta:
    """Return how long something waits that was tried so many times before this try."""
    return timedelta(seconds=min(FIRST_RETRY_S * 2**attempts, LONGEST_RETRY_S))
