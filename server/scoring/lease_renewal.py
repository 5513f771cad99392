"""Keeps the lease of a score item while it is computed: a short lease suffices then, and a crash costs little."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from server.context import Context
from server.logs import get_logger
from server.models import WorkItem
from server.models.times import utc_now

log = get_logger(__name__)


@contextmanager
def kept_lease(context: Context, work_id: UUID, token: int, *, lease_s: float) -> Iterator[None]:
    """Prolong the lease four times as often as it would end. Whoever lost it learns that from the token at the end."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(lease_s / 4):
            try:
                with context.database.write() as session:
                    item = session.get(WorkItem, work_id, with_for_update=True)
                    if item is None or item.token != token:
                        return
                    item.lease_expires_at = utc_now() + timedelta(seconds=lease_s)
            except DBAPIError as error:
                log.warning("score_lease_not_prolonged", error=str(error))

    thread = threading.Thread(target=keep, name="score-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
