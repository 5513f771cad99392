"""Sends the outbox in a thread of its own, so that no score waits for a mail server."""

import threading
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from lethe.server.competitions.phases import Phase, phase
from lethe.server.context import Context
from lethe.server.logs import get_logger
from lethe.server.mail import queries
from lethe.server.mail.outbox import Kind, tell_participants
from lethe.server.mail.sending import send_next
from lethe.server.models.times import utc_now

log = get_logger(__name__)

POLL_S = 5.0
BEFORE_THE_END = timedelta(hours=24)


class Mailer:
    """Looks for mails every `POLL_S` seconds, if the site has a mail server."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailer", daemon=True)

    def start(self) -> None:
        if self._context.settings.mail_server is not None:
            self._thread.start()

    def stop(self) -> None:
        """End after the mail in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.wait(min(POLL_S, self._context.settings.sweep_s)):
            try:
                while not self._stop.is_set() and send_next(self._context):
                    pass
            except DBAPIError as error:
                log.warning("database_unavailable", error=str(error))
            except Exception:
                log.exception("mail_failed")  # its mail is postponed; the others go on


def tell_closings(context: Context) -> None:
    """Tell the teams of competitions that end within a day, once for each end."""
    now = utc_now()
    with context.database.write() as session:
        for competition in queries.ending_between(session, now, now + BEFORE_THE_END):
            if phase(competition, now) is Phase.OPEN:
                competition.closing_told_for = competition.public_ends_at
                tell_participants(session, competition.id, Kind.CLOSING, competition=str(competition.id))
