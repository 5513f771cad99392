"""Temporary folders that say by a lock that they are in use; those of killed processes are removed by the next user."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A new folder that only this user can enter, removed on exit; those that killed processes left go at its start."""
    remove_stale(prefix)
    root, lock = _make(prefix)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def remove_stale(prefix: str) -> None:
    """Remove this user's folders of killed processes whose names begin with `prefix`."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(fd)


def _make(prefix: str) -> tuple[Path, int]:
    """A new folder, and a descriptor whose lock marks it as in use until this process exits."""
    while True:
        root = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process's remove_stale removed it before it was opened
        fcntl.flock(lock, fcntl.LOCK_SH)
        if root.exists():
            return root, lock
        os.close(lock)  # or before it was locked
