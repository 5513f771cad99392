"""Control groups of runs, version 2 or 1: memory, process and CPU accounting, and killing what is left."""

import contextlib
import errno
import fcntl
import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.policy import Policy

PREFIX = "lethe-sandbox-"
_WANTED = ("memory", "pids", "cpuacct", "cpu")
_MOUNTINFO = Path("/proc/self/mountinfo")
_MEMBERSHIP = Path("/proc/self/cgroup")
_REMOVE_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group counted; None where its controller is missing. `*_hits`: how often a limit was met."""

    cpu_s: float | None
    peak_memory_bytes: int | None
    memory_hits: int
    process_hits: int


class RunGroup:
    """The control group of one run: one folder (version 2) or one in each hierarchy (version 1)."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders

    def attach(self, pid: int) -> None:
        """Move `pid` (and so everything it forks from now on) in; raises OSError."""
        for folder in dict.fromkeys(self._folders.values()):
            _write(folder / "cgroup.procs", pid)

    def kill(self) -> None:
        """Send SIGKILL to every member."""
        for folder in dict.fromkeys(self._folders.values()):
            with contextlib.suppress(OSError):
                if (folder / "cgroup.kill").exists():
                    _write(folder / "cgroup.kill", 1)
                    continue
                for line in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(line), signal.SIGKILL)

    def cpu_s(self) -> float | None:
        """CPU seconds so far, or None."""
        if (folder := self._folders.get("unified")) is not None:
            return _field(folder / "cpu.stat", "usage_usec", 1e-6)
        if (folder := self._folders.get("cpuacct")) is not None:
            return int((folder / "cpuacct.usage").read_text()) * 1e-9
        return None

    def usage(self) -> Usage:
        """Counts so far; raises OSError."""
        if (folder := self._folders.get("unified")) is not None:
            return Usage(
                cpu_s=self.cpu_s(),
                peak_memory_bytes=_number(folder / "memory.peak"),
                memory_hits=int(_field(folder / "memory.events", "oom_kill") or 0),
                process_hits=int(_field(folder / "pids.events", "max") or 0),
            )
        memory, pids = self._folders.get("memory"), self._folders.get("pids")
        return Usage(
            cpu_s=self.cpu_s(),
            peak_memory_bytes=_number(memory / "memory.max_usage_in_bytes") if memory else None,
            memory_hits=int(_field(memory / "memory.oom_control", "oom_kill") or 0) if memory else 0,
            process_hits=int(_field(pids / "pids.events", "max") or 0) if pids else 0,
        )

    def remove(self) -> None:
        """Remove the folders, waiting a little for the last member to be gone; raises OSError."""
        for folder in dict.fromkeys(self._folders.values()):
            _remove(folder)


class CgroupTree:
    """The parent of all runs' groups of one open sandbox. `version` is 2, 1, or 0 where nothing is writable."""

    def __init__(self, version: int, folders: dict[str, Path], locks: list[int]) -> None:
        self.version = version
        self.controllers = frozenset(folders)
        self._folders = folders
        self._locks = locks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def limits_memory(self) -> bool:
        return self.version == 2 or "memory" in self._folders

    @classmethod
    def create(cls) -> Self:
        """A tree below this process's own groups, after removing trees whose owners are gone. Raises nothing."""
        folders: dict[str, Path] = {}
        locks: list[int] = []
        bases = own_groups()
        version = 2 if "unified" in bases else 1
        for controller, base in bases.items():
            try:
                remove_stale(base)
                folder = base / f"{PREFIX}{secrets.token_hex(8)}"
                if version == 2:
                    _enable(base)
                folder.mkdir()
            except OSError:
                continue
            locks.append(_lock(folder, fcntl.LOCK_SH))
            folders[controller] = folder
            if version == 2:
                _enable(folder)
        return cls(version if folders else 0, folders, locks)

    def create_group(self, policy: Policy) -> RunGroup | None:
        """A group with `policy`'s limits, or None without cgroups; raises OSError."""
        if not self._folders:
            return None
        name = f"run-{secrets.token_hex(8)}"
        made: dict[str, Path] = {}
        try:
            for controller, folder in self._folders.items():
                (folder / name).mkdir()
                made[controller] = folder / name
                _set_limits(controller, folder / name, policy)
        except OSError:
            RunGroup(made).remove()
            raise
        return RunGroup(made)

    def close(self) -> None:
        """Kill and remove every group of this tree."""
        for folder in self._folders.values():
            _remove_tree(folder)
        for lock in self._locks:
            os.close(lock)
        self._folders, self._locks = {}, []


def own_groups() -> dict[str, Path]:
    """`{controller: folder}` of this process's groups: `unified` alone when that holds memory, else version 1's."""
    mounts = _cgroup_mounts()
    memberships: dict[str, str] = {}
    for line in _MEMBERSHIP.read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            memberships[name] = path
    unified = _folder(mounts.get("unified"), memberships.get(""))
    if unified is not None and "memory" in _words(unified / "cgroup.controllers"):
        return {"unified": unified}
    found = {}
    for controller in _WANTED:
        folder = _folder(mounts.get(controller), memberships.get(controller))
        if folder is not None:
            found[controller] = folder
    return found


def remove_stale(base: Path) -> None:
    """Kill and remove the trees below `base` that no living process holds a lock on."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        try:
            _remove_tree(folder)
        finally:
            os.close(lock)


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
    # In a container without a cgroup namespace the path is the host's, and the mount shows the container's own group.
    return folder if folder.is_dir() else point


def _enable(folder: Path) -> None:
    """Hand the controllers down to the children of `folder` (version 2); raises OSError."""
    available = _words(folder / "cgroup.controllers")
    enabled = _words(folder / "cgroup.subtree_control")
    missing = [name for name in ("memory", "pids", "cpu") if name in available and name not in enabled]
    if not missing:
        return
    wanted = " ".join(f"+{name}" for name in missing)
    try:
        _write(folder / "cgroup.subtree_control", wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Version 2 wants processes in leaves only: move those of a group that was delegated to us into one.
        leaf = folder / "lethe-host"
        leaf.mkdir(exist_ok=True)
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", pid)
        _write(folder / "cgroup.subtree_control", wanted)


def _set_limits(controller: str, folder: Path, policy: Policy) -> None:
    processes = policy.processes + 2  # the supervisor and the reaper
    if controller == "unified":
        _write(folder / "memory.max", policy.memory_bytes)
        _write_if_there(folder / "memory.swap.max", 0)
        _write_if_there(folder / "memory.oom.group", 1)
        _write_if_there(folder / "pids.max", processes)
    elif controller == "memory":
        _write(folder / "memory.limit_in_bytes", policy.memory_bytes)
        _write_if_there(folder / "memory.memsw.limit_in_bytes", policy.memory_bytes)
    elif controller == "pids":
        _write(folder / "pids.max", processes)


def _lock(folder: Path, how: int) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    return fd


def _remove_tree(folder: Path) -> None:
    children = [child for child in folder.iterdir() if child.is_dir()] if folder.is_dir() else []
    for child in children:
        RunGroup({"any": child}).kill()
    for each in [*children, folder]:
        with contextlib.suppress(OSError):
            _remove(each)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _REMOVE_WAIT_S
    while True:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


def _write(path: Path, value: object) -> None:
    path.write_text(str(value))


def _write_if_there(path: Path, value: object) -> None:
    if path.exists():
        _write(path, value)


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str, scale: float = 1.0) -> float | None:
    """The number behind `name` in a file of `name number` lines."""
    try:
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value) * scale
    except OSError:
        pass
    return None
