"""Fills the file systems in memory that jails see: the image once, and each jail's own files; copied beside the zygote.

Runs as the sandbox uid, in user and mount namespaces of its own, where it may mount. Nobody can write to what it has
filled: these file systems are read-only themselves, not only where they are mounted. Files have no holes, and pages are
small, so a file system answers the same whatever was read of it.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn

from lethe.sandbox import kernel

IMAGE = "/sys"
"""Where the image is mounted, in the namespaces of jails to come: every machine has it, and bubblewrap ignores it."""
OWN = f"{IMAGE}/jail"
"""Where a jail's own files are mounted."""
_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOATIME
_OPTIONS = "size=0,nr_inodes=0,mode=0755"  # no limit: what is copied is known before
_COPIERS = 4


def build_image(control_fd: int) -> None:
    """Fill an image with what standard input lists, and send the host its namespaces, which keep it alive."""
    wanted = json.load(sys.stdin)
    _enter_namespaces()
    _mount(IMAGE)
    os.umask(0o022)
    os.mkdir(OWN)
    folders = {os.path.dirname(place) for place in (*wanted["files"], *wanted["links"])}
    for folder in sorted(folders):
        os.makedirs(IMAGE + folder, exist_ok=True)
    for place, target in wanted["links"].items():
        os.symlink(target, IMAGE + place)
    pairs = [(source, IMAGE + place) for place, source in wanted["files"].items()]
    size = _copy_all(pairs)
    _seal(IMAGE)
    answer = json.dumps({"files": len(pairs), "bytes": size}).encode("ascii")
    with socket.socket(fileno=control_fd) as control:
        socket.send_fds(control, [answer], [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "mnt")])


def start_jail(user_fd: int, mount_fd: int, trees: Iterable[tuple[str, str]], command: list[str]) -> NoReturn:
    """Enter an image's namespaces, fill the jail's own file system from `trees`, named folders or files, and exec."""
    umask = os.umask(0o022)
    opened = [
        (name, os.open(source, os.O_PATH)) for name, source in trees
    ]  # the image's namespace is older than they are
    kernel.setns(user_fd, kernel.CLONE_NEWUSER)
    kernel.setns(mount_fd, kernel.CLONE_NEWNS)
    _enter_namespaces()
    _mount(OWN)
    pairs: list[tuple[str, str]] = []
    for name, fd in opened:
        _plan_tree(f"/proc/self/fd/{fd}", f"{OWN}/{name}", pairs)
    for pair in pairs:  # in order, so that inode numbers are the same in every jail
        _copy(0, pair)
    _seal(OWN)
    for fd in (user_fd, mount_fd, *(fd for _, fd in opened)):
        os.close(fd)
    os.umask(umask)
    os.chdir("/")
    os.execv(command[0], command)  # noqa: S606 - a shell has no part in it


def _enter_namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
    kernel.map_own_ids(uid, gid)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)  # what the host unmounts shall not live on here


def _mount(place: str) -> None:
    try:
        kernel.mount("tmpfs", place, "tmpfs", _FLAGS, f"{_OPTIONS},huge=never")
    except OSError:  # a kernel without huge pages
        kernel.mount("tmpfs", place, "tmpfs", _FLAGS, _OPTIONS)


def _seal(place: str) -> None:
    kernel.mount("none", place, None, kernel.MS_REMOUNT | kernel.MS_RDONLY | _FLAGS)


def _plan_tree(source: str, target: str, pairs: list[tuple[str, str]]) -> None:
    """Make the folders and links of `source` below `target`, and append its files to `pairs`."""
    if not os.path.isdir(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        pairs.append((source, target))
        return
    os.makedirs(target, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            place = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            else:
                _plan_tree(entry.path, place, pairs)


def _copy_all(pairs: list[tuple[str, str]]) -> int:
    """Copy files, whose folders exist, and return their bytes in whole pages; leaves out what this uid may not read."""
    with ThreadPoolExecutor(_COPIERS) as pool:
        return sum(pool.map(partial(_copy, None), pairs, chunksize=64))


def _copy(mtime_ns: int | None, pair: tuple[str, str]) -> int:
    source, target = pair
    try:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return 0
    try:
        status = os.fstat(reading)
        writing = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o555 if status.st_mode & 0o111 else 0o444
        )
        try:
            copied = 0
            while sent := os.sendfile(writing, reading, None, 1 << 30):
                copied += sent
            modified = status.st_mtime_ns if mtime_ns is None else mtime_ns
            os.utime(writing, ns=(modified, modified))
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return -(-copied // 4096) * 4096


def main(action: str, *arguments: str) -> None:
    """`image CONTROL_FD` or `jail USER_FD MOUNT_FD TREES COMMAND…`; an error is one line on standard error."""
    actions: dict[str, Callable[[], None]] = {
        "image": lambda: build_image(int(arguments[0])),
        "jail": lambda: start_jail(int(arguments[0]), int(arguments[1]), json.loads(arguments[2]), list(arguments[3:])),
    }
    with contextlib.suppress(BrokenPipeError):
        try:
            actions[action]()
        except OSError as error:
            sys.stderr.write(f"files in memory could not be made: {error}\n")
            sys.exit(1)
