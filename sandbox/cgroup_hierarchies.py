"""Finds where this process may create control groups: in version 2, in version 1, or nowhere."""

import contextlib
import errno
import os
from pathlib import Path

HOST_LEAF = "lethe-host"
_WANTED = ("memory", "pids", "cpuacct", "cpu")
_HANDED_DOWN = ("memory", "pids", "cpu")
_MOUNTINFO = Path("/proc/self/mountinfo")
_MEMBERSHIP = Path("/proc/self/cgroup")


def own_groups() -> dict[str, Path]:
    """`{controller: folder}` of this process's groups: `unified` alone when it controls memory, else version 1's."""
    mounts = _cgroup_mounts()
    memberships: dict[str, str] = {}
    for line in _MEMBERSHIP.read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            memberships[name] = path
    unified = _folder(mounts.get("unified"), memberships.get(""))
    if unified is not None and "memory" in _words(unified / "cgroup.controllers"):
        return {"unified": unified.parent if unified.name == HOST_LEAF else unified}
    found = {}
    for controller in _WANTED:
        folder = _folder(mounts.get(controller), memberships.get(controller))
        if folder is not None:
            found[controller] = folder
    return found


def enable(folder: Path) -> Path:
    """Return a group whose children can have limits: `folder`, or its parent where `folder` is not ours to change.

    Version 2 only; raises OSError when neither works. Version 2 allows processes in leaves only, so the processes of a
    delegated group are moved into a leaf; a group that was not delegated stays as it is.
    """
    try:
        hand_down(folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        if not _is_delegated(folder):
            hand_down(folder.parent)
            return folder.parent
        leaf = folder / HOST_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(pid)
        hand_down(folder)
    return folder


def hand_down(folder: Path) -> None:
    """Let the children of `folder` have limits of their own; raises OSError."""
    available = _words(folder / "cgroup.controllers")
    enabled = _words(folder / "cgroup.subtree_control")
    missing = [name for name in _HANDED_DOWN if name in available and name not in enabled]
    if missing:
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in missing))


def _is_delegated(folder: Path) -> bool:
    """Whether this process may rearrange the group: systemd marked it so, or it is the root that a container sees."""
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return folder in {point for _, point in _cgroup_mounts().values()}


def _cgroup_mounts() -> dict[str, tuple[str, Path]]:
    """`{controller: (root shown by the mount, mount point)}`."""
    mounts: dict[str, tuple[str, Path]] = {}
    for line in _MOUNTINFO.read_text().splitlines():
        left, right = line.split(" - ", 1)
        root, point = left.split()[3:5]
        kind, _, options = right.split(" ", 2)
        if kind == "cgroup2":
            mounts["unified"] = (root, Path(point))
        elif kind == "cgroup":
            for option in options.split(","):
                mounts.setdefault(option, (root, Path(point)))
    return mounts


def _folder(mount: tuple[str, Path] | None, path: str | None) -> Path | None:
    if mount is None or path is None:
        return None
    root, point = mount
    inside = path.removeprefix(root.rstrip("/")) if path.startswith(root) else path
    folder = point / inside.lstrip("/")
    # In a container without a cgroup namespace the path is the host's, but the mount shows the container's group.
    return folder if folder.is_dir() else point


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
