"""The identity of a worker, which a restarted worker takes over from the one before it on the same machine."""

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
        """Let another process have the identity."""
        os.close(self.lock)


def take_identity(parent: Path) -> WorkerIdentity:
    """Return the first identity below `parent` whose worker is gone, or a new one.

    Raises OSError when the folder cannot be used.

    The kernel gives the lock back when its holder dies, so whoever gets an identity knows that its last holder is dead.
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
    """Eight letters that are this identity's for good."""
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
