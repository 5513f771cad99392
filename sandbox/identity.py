"""The host identity that the jail runs under, and whether it can read a path."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.sandbox.setup import Setup

JAIL_UID = 1000
"""The uid that a guest sees as its own."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The host uid and gid of every process in the jail. `drops`: the caller is root and must become them first."""

    uid: int
    gid: int
    drops: bool
    jail_uid: int = JAIL_UID
    jail_gid: int = JAIL_UID

    @property
    def label(self) -> str:
        """What messages call this identity."""
        return f"the sandbox uid {self.uid}" if self.drops else f"your own uid {self.uid}"


def identity_of(setup: Setup) -> Identity:
    """The identity of `setup` when the caller is root and can become it; else the caller's own."""
    if os.geteuid() == 0:
        return Identity(setup.uid, setup.gid, drops=True)
    return Identity(os.geteuid(), os.getegid(), drops=False)


def identity_arguments(identity: Identity) -> dict[str, Any]:
    """Arguments of subprocess functions that make the child run as `identity`."""
    if not identity.drops:
        return {}
    return {"user": identity.uid, "group": identity.gid, "extra_groups": []}


def blocking_path(path: Path, identity: Identity) -> Path | None:
    """The first component on the way to `path` (links followed) that `identity` may not pass or read, or None.

    Looks at owner, group and mode bits only; access lists are not consulted.
    """
    for way in _paths_on_the_way(path):
        for component in [*reversed(way.parents), way]:
            try:
                mode = component.stat()
            except OSError:
                return component
            needed = (stat.S_IROTH | stat.S_IXOTH) if component == way and component.is_dir() else stat.S_IXOTH
            if component == way and not component.is_dir():
                needed = stat.S_IROTH
            if mode.st_uid == identity.uid:
                needed <<= 6
            elif mode.st_gid == identity.gid:
                needed <<= 3
            if mode.st_mode & needed != needed:
                return component
    return None


def _paths_on_the_way(path: Path) -> list[Path]:
    """`path` and every path that its last component links to on the way to a real file."""
    ways = [path.absolute()]
    while ways[-1].is_symlink() and len(ways) < 20:
        ways.append(ways[-1].parent / ways[-1].readlink())
    return [*ways, path.resolve()]
