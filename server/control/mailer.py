"""Sends the outbox in threads of their own: no score waits for a mail server, and no mail for a webhook."""

import threading
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from lethe.server.competitions.phases import Phase, phase
from lethe.server.context import Context
from lethe.server.logs import get_logger
from lethe.server.mail import queries
from lethe.server.mail.outbox import Kind, tell_participants
from lethe.server.models.times import utc_now

log = get_logger(__name__)

POLL_S = 5.0
BEFORE_THE_END = timedelta(hours=24)


class OutboxSender:
    """Calls `send_next` every `POLL_S` seconds until nothing is due, in `threads` threads."""

    def __init__(self, context: Context, name: str, send_next: Callable[[Context], bool], *, threads: int = 1) -> None:
        self._context, self._name, self._send_next = context, name, send_next
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is in hand."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.wait(min(POLL_S, self._context.settings.sweep_s)):
            try:
                while not self._stop.is_set() and self._send_next(self._context):
                    pass
            except DBAPIError as error:
                log.warning("database_unavailable", error=str(error))
            except Exception:
                log.exception("sending_failed", outbox=self._name)  # what failed is postponed; the others go on


def tell_closings(context: Context) -> None:
    """Tell the teams of competitions that end within a day, once for each end."""
    now = utc_now()
    with context.database.write() as session:
        for competition in queries.ending_between(session, now, now + BEFORE_THE_END):
            if phase(competition, now) is Phase.OPEN:
                competition.closing_told_for = competition.public_ends_at
                tell_participants(session, competition.id, Kind.CLOSING, competition=str(competition.id))
