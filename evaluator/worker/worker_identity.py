"""The lasting identity of a worker: a restarted worker takes over its predecessor's on the same machine."""

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_LOCK = "lock"
_NAME = "name"


@dataclass(frozen=True)
class WorkerIdentity:
    """A folder that no other process uses as long as `lock`, a descriptor, is open; `name` is the worker's."""

    folder: Path
    name: str
    lock: int

    def leave(self) -> None:
        """Release the identity for another process."""
        os.close(self.lock)


def take_identity(parent: Path) -> WorkerIdentity:
    """Return the first identity below `parent` whose worker is gone, or a new one.

    Raises OSError when the folder cannot be used.

    The kernel releases the lock when its owner dies, so the last owner of a free identity is dead.
    """
    number = 0
    while True:
        folder = parent / str(number)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            number += 1
            continue
        return WorkerIdentity(folder=folder, name=f"{socket.gethostname()}:{_identifier(folder / _NAME)}", lock=lock)


def _identifier(path: Path) -> str:
    """Eight letters that stay the same for this identity."""
    try:
        found = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        found = ""
    if not found.isalnum():
        found = uuid4().hex[:8]
        partial = path.with_suffix(".partial")
        partial.write_text(found, encoding="ascii")
        partial.replace(path)
    return found
