"""Renews the lease of a score item while the score is computed: so leases can be short, and a crash costs little."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from lethe.evaluator.contract.states import OPEN_WORK_STATES
from lethe.server.context import Context
from lethe.server.lifecycle.transitions import OfWorkItem
from lethe.server.logs import get_logger
from lethe.server.models import WorkItem
from lethe.server.queue import leases

log = get_logger(__name__)


@contextmanager
def renewed_lease(context: Context, work_id: UUID, token: int, *, lease_s: float) -> Iterator[None]:
    """Renew the lease four times in its length. A scorer that has lost it learns so from the token at the end."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(lease_s / 4):
            try:
                with context.database.write() as session:
                    item = session.get(WorkItem, work_id, with_for_update=True)
                    if item is None or item.token != token or item.state not in OPEN_WORK_STATES:
                        return
                    leases.renew(item, OfWorkItem.RENEWED, lease_s=lease_s)
            except DBAPIError as error:
                log.warning("score_lease_not_prolonged", error=str(error))

    thread = threading.Thread(target=copy_context().run, args=(renew,), name="score-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
