"""Worker keys: shown once and stored as digests; the worker of `lethe up` keeps its own in the home folder."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lethe.evaluator.settings_base import WORKER_KEY_PREFIX
from lethe.server.context import Context
from lethe.server.errors import Conflict, NotFound
from lethe.server.models import WorkerKey
from lethe.server.queue import worker_queries
from lethe.server.security.digests import digest_secret, new_secret

EMBEDDED_KEY = "embedded"


class WorkerKeyExists(Conflict):
    """The name is taken."""

    code = "worker_key_exists"
    title = "Worker key exists"


class WorkerKeyNotFound(NotFound):
    """No worker key has this name."""

    code = "worker_key_not_found"
    title = "Worker key not found"


def create_worker_key(session: Session, name: str) -> str:
    """Create a key and return its text, which is shown once; raises WorkerKeyExists."""
    text, digest = new_secret(WORKER_KEY_PREFIX)
    session.add(WorkerKey(name=name, digest=digest))
    try:
        session.flush()
    except IntegrityError as error:
        raise WorkerKeyExists(f"There is a worker key called {name!r}. Choose another name.") from error
    return text


def renew_worker_key(session: Session, name: str) -> str:
    """Replace the key `name` and return the new text; workers can no longer use the old one.

    Work that they have waits again when its lease ends. Raises WorkerKeyNotFound.
    """
    key = require_worker_key(session, name)
    text, key.digest = new_secret(WORKER_KEY_PREFIX)
    return text


@dataclass(frozen=True)
class WorkerKeyRow:
    """A key as the operator sees it: how many workers have registered under it, and the last call of one of them."""

    name: str
    created_at: datetime
    workers: int
    seen_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The row for programs."""
        return {
            "name": self.name,
            "created_at": self.created_at.isoformat(),
            "workers": self.workers,
            "seen_at": None if self.seen_at is None else self.seen_at.isoformat(),
        }


def list_worker_keys(session: Session) -> list[WorkerKeyRow]:
    """Return all keys by name."""
    return [
        WorkerKeyRow(name=key.name, created_at=key.created_at, workers=workers, seen_at=seen_at)
        for key, workers, seen_at in worker_queries.list_worker_keys(session)
    ]


def require_worker_key(session: Session, name: str) -> WorkerKey:
    """Return the key `name`; raises WorkerKeyNotFound."""
    key = worker_queries.find_worker_key(session, name)
    if key is None:
        names = ", ".join(worker_queries.worker_key_names(session)) or "none"
        raise WorkerKeyNotFound(f"There is no worker key called {name!r}. There are: {names}.")
    return key


def embedded_worker_key(context: Context) -> str:
    """Return the key of the worker that `lethe up` starts, kept in the home folder with mode 0600."""
    path = context.settings.home / "worker.key"
    text = _read_or_create(path)
    with context.database.write() as session:
        key = worker_queries.find_worker_key(session, EMBEDDED_KEY)
        if key is None:
            session.add(WorkerKey(name=EMBEDDED_KEY, digest=digest_secret(text)))
        else:
            key.digest = digest_secret(text)
    return text


def _read_or_create(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    text, _ = new_secret(WORKER_KEY_PREFIX)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    return text
