"""Images that the processes of one user on a machine share: who holds one says so in a file, and others join it.

A descriptor of a process's namespaces can be opened by its user's other processes through /proc, and keeps them alive.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lethe.sandbox.errors import SandboxUnavailable

_KINDS = ("user", "mnt")


@dataclass(frozen=True, slots=True)
class HeldImage:
    """A process that holds an image, and where: `started` tells it from a later process of the same number."""

    pid: int
    started: int
    user_fd: int
    mount_fd: int
    files: int
    size_bytes: int


def join_or_register(name: str, build: Callable[[], HeldImage]) -> HeldImage:
    """This process's hold on the image called `name`: joined if another process has it, else made by `build`.

    One process at a time: while one builds, others wait for it. Raises what `build` raises.
    """
    with _entry(name) as entry:
        holders = [holder for holder in _read(entry) if _is_alive(holder)]
        joined = next((own for holder in holders if (own := _join(holder)) is not None), None)
        held = build() if joined is None else joined
        _write(entry, [*holders, held])
    return held


def leave(name: str, held: HeldImage) -> None:
    """Take this process off the holders of the image, before its descriptors are closed."""
    with _entry(name) as entry:
        _write(entry, [holder for holder in _read(entry) if holder != held])


def held_here(user_fd: int, mount_fd: int, files: int, size_bytes: int) -> HeldImage:
    """What this process holds."""
    return HeldImage(os.getpid(), _started(os.getpid()), user_fd, mount_fd, files, size_bytes)


def _join(holder: HeldImage) -> HeldImage | None:
    """This process's own descriptors of another's image, or None where they are gone or out of reach."""
    opened: list[int] = []
    try:
        for kind, number in zip(_KINDS, (holder.user_fd, holder.mount_fd), strict=True):
            path = Path(f"/proc/{holder.pid}/fd/{number}")
            if str(path.readlink()).startswith(f"{kind}:["):
                opened.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:  # it has ended, or closed them, since it was asked
        pass
    if len(opened) < len(_KINDS):
        for descriptor in opened:
            os.close(descriptor)
        return None
    user_fd, mount_fd = opened
    return held_here(user_fd, mount_fd, holder.files, holder.size_bytes)


def _is_alive(holder: HeldImage) -> bool:
    try:
        return _started(holder.pid) == holder.started
    except OSError:
        return False


def _started(pid: int) -> int:
    """When the process began, in ticks since the machine did."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19])


@contextmanager
def _entry(name: str) -> Iterator[int]:
    """The locked file of the image, open."""
    folder = Path(tempfile.gettempdir()) / f"lethe-images-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SandboxUnavailable(f"{folder} belongs to somebody else: remove it, or set TMPDIR to another folder")
    entry = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(entry, fcntl.LOCK_EX)
        yield entry
    finally:
        os.close(entry)


def _read(entry: int) -> list[HeldImage]:
    text = os.pread(entry, os.fstat(entry).st_size, 0)
    return [HeldImage(**holder) for holder in json.loads(text or "[]")]


def _write(entry: int, holders: list[HeldImage]) -> None:
    os.ftruncate(entry, 0)
    os.pwrite(entry, json.dumps([asdict(holder) for holder in holders]).encode("ascii"), 0)
