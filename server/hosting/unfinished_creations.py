"""What a creation has stored is removed if it fails or dies: a competition that never was keeps nobody's photographs.

Before a creation stores anything under a key, it notes the key in the store, in a folder of its own. A lease in the
database says that it is at work. One that fails removes what it noted; if it is killed, `control` does so once the
lease has ended, or the next creation at its end. What a competition needs stays, and what others at work have noted.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from lethe.evaluator.artifacts import ArtifactError, ArtifactStore
from lethe.server.context import Context
from lethe.server.errors import Conflict
from lethe.server.hosting import queries
from lethe.server.hosting.artifact_references import banks_of, references
from lethe.server.hosting.creation_queries import CREATION, are_any_dead, lock_creations
from lethe.server.logs import get_logger
from lethe.server.models import Lease
from lethe.server.models.times import utc_now

log = get_logger(__name__)

FOLDER = "creations"
REMOVING = "removing"
"""Holder of the lease of a creation whose artifacts are being removed."""
POLL_S = 0.2


class CreationLost(Conflict):
    """This creation was silent for so long that it was taken for dead, and its data were removed."""

    code = "creation_lost"


@dataclass(frozen=True)
class Creation:
    """A creation at work; `store` notes what it stores."""

    name: str
    holder: str
    store: ArtifactStore

    def require_held(self, session: Session) -> None:
        """Lock the lease until the commit; raises CreationLost if it has been taken away."""
        lease = session.get(Lease, self.name, with_for_update=True)
        if lease is None or lease.holder != self.holder:
            raise CreationLost("this creation was silent for too long, and its data were removed: run it again")


@contextmanager
def creation_at_work(context: Context) -> Iterator[Creation]:
    """Yield a creation, and remove what it has stored if the block raises, and what dead ones have in any case."""
    name = f"{CREATION}{uuid4().hex}"
    creation = Creation(name, f"{socket.gethostname()}:{os.getpid()}", context.artifacts.noting(_folder(name)))
    _take(context, creation)
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(context, creation, ended), name="creation-lease", daemon=True)
    renewal.start()
    try:
        yield creation
    except BaseException:
        ended.set()
        renewal.join()
        _end(context, creation, keeps=False)
        raise
    ended.set()
    renewal.join()
    _end(context, creation, keeps=True)


def remove_leftovers(context: Context) -> int:
    """Remove what creations have stored that died, and return how many artifacts that was.

    Raises ArtifactStoreAway; after a lease another call continues.
    """
    with context.database.read() as session:
        if not are_any_dead(session, utc_now()):
            return 0
    with context.database.write() as session:
        now = utc_now()
        dead = [lease.name for lease in lock_creations(session) if lease.expires_at <= now]
        for name in dead:
            _hold(session, name, REMOVING, context.settings.lease_s)
    return sum(_remove(context, name, keeps=False) for name in dead)


def _take(context: Context, creation: Creation) -> None:
    """Take the lease, and wait while artifacts are removed, which this creation may be about to store again."""
    with context.database.write() as session:
        _hold(session, creation.name, creation.holder, context.settings.lease_s)
    while True:
        with context.database.write() as session:
            now = utc_now()
            if not any(lease.holder == REMOVING and lease.expires_at > now for lease in lock_creations(session)):
                return
        time.sleep(POLL_S)


def _renew(context: Context, creation: Creation, ended: threading.Event) -> None:
    while not ended.wait(context.settings.lease_s / 4):
        try:
            with context.database.write() as session:
                creation.require_held(session)
                _hold(session, creation.name, creation.holder, context.settings.lease_s)
        except CreationLost:
            return
        except DBAPIError as error:
            log.warning("creation_lease_not_renewed", error=str(error))


def _hold(session: Session, name: str, holder: str, seconds: float) -> None:
    session.merge(Lease(name=name, holder=holder, expires_at=utc_now() + timedelta(seconds=seconds)))


def _end(context: Context, creation: Creation, *, keeps: bool) -> None:
    """End a creation, and remove what dead ones left. What cannot be removed now is removed after the lease's end."""
    try:
        with context.database.write() as session:
            _hold(session, creation.name, REMOVING, context.settings.lease_s)
        _remove(context, creation.name, keeps=keeps)
        remove_leftovers(context)
    except (DBAPIError, ArtifactError) as error:
        log.warning("creation_not_cleared", error=str(error))


def _remove(context: Context, name: str, *, keeps: bool) -> int:
    """Remove the notes of a creation, and before them the artifacts unless it `keeps` them; return their number."""
    store = context.artifacts
    notes = store.list(_folder(name))
    doomed: list[str] = []
    if not keeps:
        keys = _noted(store, [name])
        with context.database.write() as session:
            others = [lease.name for lease in lock_creations(session) if lease.holder != REMOVING]
        with context.database.read() as session:
            doomed = sorted(keys - _needed(session, store, keys, _noted(store, others)))
        store.delete(doomed)
    store.delete(notes)
    with context.database.write() as session:
        if (lease := session.get(Lease, name, with_for_update=True)) is not None:
            session.delete(lease)
    if doomed:
        log.info("creation_removed", creation=name, artifacts=len(doomed))
    return len(doomed)


def _needed(session: Session, store: ArtifactStore, keys: set[str], noted: set[str]) -> set[str]:
    """Return those of the keys that a competition needs, or another creation; banks are needed as a whole."""
    named = {ref.key for ref in references(session)} | noted
    prepared = queries.prepared_competitions(session)
    banks = {bank for one in prepared for bank in banks_of(store, one)} | {
        bank for key in noted if (bank := _bank(key))
    }
    return {key for key in keys if key in named or _bank(key) in banks}


def _bank(key: str) -> str | None:
    folder, _, rest = key.partition("/")
    return rest.partition("/")[0] if folder == "banks" else None


def _noted(store: ArtifactStore, names: Sequence[str]) -> set[str]:
    return {store.get(note).decode() for name in names for note in store.list(_folder(name))}


def _folder(name: str) -> str:
    return f"{FOLDER}/{name.removeprefix(CREATION)}"
