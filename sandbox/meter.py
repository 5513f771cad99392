"""Measures a run's memory from outside where no memory cgroup is writable."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def memory_bytes(root: int, inherited_bytes: int = 0) -> int:
    """Resident anonymous and shared bytes of process `root` and all its descendants together.

    `inherited_bytes` is what each of them shares with the zygote and is not charged for. Memory that several
    processes share is counted for each: an upper bound. Processes that end meanwhile count nothing.
    """
    total = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError, ValueError):
            fields = _status(pid)
            total += max(0, fields["RssAnon"] - inherited_bytes) + fields["RssShmem"]
    return total


def descendants(root: int) -> Iterator[int]:
    """Process `root` and all that it and its descendants started; those that end meanwhile may be left out."""
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        with contextlib.suppress(OSError, ValueError):
            for task in (_PROC / str(pid) / "task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]


def anonymous_bytes(pid: int) -> int:
    """Resident anonymous bytes of one process, 0 when it is gone."""
    try:
        return _status(pid)["RssAnon"]
    except (OSError, ValueError):
        return 0


def _status(pid: int) -> dict[str, int]:
    fields = {"RssAnon": 0, "RssShmem": 0}
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in fields:
            fields[name] = int(value.split()[0]) * 1024
    return fields
