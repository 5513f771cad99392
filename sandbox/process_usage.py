"""Measures a run's memory and processor time from outside where no control group is writable."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS_S = os.sysconf("SC_CLK_TCK")


def memory_bytes(root: int, inherited_bytes: int = 0) -> int:
    """Resident anonymous and shared bytes, page tables and sockets of process `root` and all its descendants together.

    Each process shares `inherited_bytes` with the zygote, which do not count. Memory that several processes share
    counts for each, and every socket counts as full: an upper bound. Processes that end meanwhile count nothing.
    """
    total = _sockets(root) * _socket_bytes()
    for pid in descendants(root):
        with contextlib.suppress(OSError, ValueError):
            fields = _status(pid)
            total += max(0, fields["RssAnon"] + fields["VmPTE"] - inherited_bytes) + fields["RssShmem"]
    return total


def descendants(root: int) -> Iterator[int]:
    """Process `root` and all its descendants; those that end meanwhile may be missing."""
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        with contextlib.suppress(OSError, ValueError):
            for task in (_PROC / str(pid) / "task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]


def processor_s(root: int) -> float:
    """Processor time of process `root`, of all its descendants, and of what they waited for, in seconds."""
    ticks = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (
                (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            )
            ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return ticks / _TICKS_S


def held_bytes(pid: int) -> int:
    """Resident anonymous bytes and page tables of one process, 0 when it is gone."""
    try:
        fields = _status(pid)
    except (OSError, ValueError):
        return 0
    return fields["RssAnon"] + fields["VmPTE"]


def memory_kills() -> int:
    """How many processes the kernel has killed on this machine for lack of memory; 0 where it does not tell."""
    try:
        found = re.search(r"^oom_kill (\d+)$", (_PROC / "vmstat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _sockets(pid: int) -> int:
    """The number of Unix sockets in the network of `pid`, open or in flight; 0 when that is this process's network."""
    try:
        if (_PROC / str(pid) / "ns" / "net").stat().st_ino == (_PROC / "self" / "ns" / "net").stat().st_ino:
            return 0
        return (_PROC / str(pid) / "net" / "unix").read_bytes().count(b"\n") - 1  # the first line names the columns
    except OSError:
        return 0


def _socket_bytes() -> int:
    """The largest buffer of a socket; the seccomp filter keeps guests from asking for a larger one."""
    return int((_PROC / "sys" / "net" / "core" / "wmem_default").read_text())


def _status(pid: int) -> dict[str, int]:
    fields = {"RssAnon": 0, "RssShmem": 0, "VmPTE": 0}
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.split()[0]) * 1024
    return fields
