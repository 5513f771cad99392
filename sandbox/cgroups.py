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

from lethe.sandbox import cgroup_hierarchies
from lethe.sandbox.policy import Policy

PREFIX = "lethe-sandbox-"
_REMOVE_WAIT_S = 5.0
_CPU_PERIOD_US = 100_000
_CHARGED_AT_ONCE_BYTES = 2 * 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """The counters of a group; None where its controller is missing. `*_hits`: how often a limit was hit.

    `foreign_kills`: processes that the kernel killed because a group above or the machine had no memory left, while the
    group itself was below its limit.
    """

    cpu_s: float | None
    peak_memory_bytes: int | None
    memory_hits: int
    process_hits: int
    foreign_kills: int = 0


class RunGroup:
    """The control group of one run: one folder (version 2) or one in each hierarchy (version 1)."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders

    @property
    def limits_memory(self) -> bool:
        return not self._folders.keys().isdisjoint({"memory", "unified"})

    @property
    def distinct(self) -> list[Path]:
        """The folders; hierarchies mounted together share one."""
        return list(dict.fromkeys(self._folders.values()))

    def attach(self, pid: int) -> None:
        """Move `pid`, and with it all its later forks, into the group; raises OSError."""
        for folder in self.distinct:
            _write(folder / "cgroup.procs", pid)

    def kill(self) -> None:
        """Send SIGKILL to every member."""
        for folder in self.distinct:
            with contextlib.suppress(OSError):
                if (folder / "cgroup.kill").exists():
                    _write(folder / "cgroup.kill", 1)
                    continue
                for line in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(line), signal.SIGKILL)

    def cpu_s(self) -> float | None:
        """CPU seconds so far; None without a CPU controller."""
        if (folder := self._folders.get("unified")) is not None:
            usage_us = _field(folder / "cpu.stat", "usage_usec")
            return usage_us * 1e-6 if usage_us is not None else None
        if (folder := self._folders.get("cpuacct")) is not None:
            usage_ns = _number(folder / "cpuacct.usage")
            return usage_ns * 1e-9 if usage_ns is not None else None
        return None

    def usage(self) -> Usage:
        """The counters so far."""
        unified = self._folders.get("unified")
        memory, pids = self._folders.get("memory", unified), self._folders.get("pids", unified)
        peak, events = (
            ("memory.peak", "memory.events") if unified else ("memory.max_usage_in_bytes", "memory.oom_control")
        )
        kills = (_field(memory / events, "oom_kill") or 0) if memory else 0
        is_own = kills > 0 and memory is not None and _reached_limit(memory, is_unified=unified is not None)
        return Usage(
            cpu_s=self.cpu_s(),
            peak_memory_bytes=_number(memory / peak) if memory else None,
            memory_hits=kills if is_own else 0,
            process_hits=(_field(pids / "pids.events", "max") or 0) if pids else 0,
            foreign_kills=0 if is_own else kills,
        )

    def remove(self) -> None:
        """Remove the folders, after a short wait for the last member to exit; raises OSError."""
        for folder in self.distinct:
            _remove(folder)


class CgroupTree:
    """The parent of all runs' groups of one open sandbox. `version` is 2, 1, or 0 where nothing is writable."""

    def __init__(self, version: int, folders: dict[str, Path], locks: list[int]) -> None:
        self.version = version if folders else 0
        self.controllers = frozenset(folders)
        self._folders = folders
        self._locks = locks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def limits_memory(self) -> bool:
        return bool(self.controllers & {"memory", "unified"})

    @classmethod
    def create(cls) -> Self:
        """A tree below this process's own groups, after removing trees whose owners have exited. Raises nothing."""
        bases = cgroup_hierarchies.own_groups()
        version = 2 if "unified" in bases else 1
        folders: dict[str, Path] = {}
        locks: list[int] = []
        made: dict[Path, Path] = {}
        for controller, base in bases.items():
            if base not in made:
                try:
                    folder, lock = _make_folder(base, version)
                except OSError:
                    continue
                made[base] = folder
                locks.append(lock)
            folders[controller] = made[base]
        return cls(version, folders, locks)

    def create_group(self, policy: Policy) -> RunGroup | None:
        """A group with `policy`'s limits, or None without cgroups; raises OSError."""
        if not self._folders:
            return None
        name = f"run-{secrets.token_hex(8)}"
        group = RunGroup({controller: folder / name for controller, folder in self._folders.items()})
        try:
            for folder in group.distinct:
                folder.mkdir()
            for controller, folder in self._folders.items():
                _set_limits(controller, folder / name, policy)
        except OSError:
            group.remove()
            raise
        return group

    def close(self) -> None:
        """Kill and remove every group of this tree."""
        for folder in dict.fromkeys(self._folders.values()):
            _remove_tree(folder)
        for lock in self._locks:
            os.close(lock)
        self._folders, self._locks = {}, []


def remove_stale(base: Path) -> None:
    """Kill and remove the trees below `base` that no living process has locked."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                _remove_tree(folder)
            finally:
                os.close(lock)


def _make_folder(base: Path, version: int) -> tuple[Path, int]:
    """A new folder below `base` and the descriptor whose lock says that it is in use; raises OSError."""
    if version == 2:
        base = cgroup_hierarchies.enable(base)
    remove_stale(base)
    while True:
        folder = base / f"{PREFIX}{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            lock = _lock(folder, fcntl.LOCK_SH)
        except FileNotFoundError:
            continue  # another worker's remove_stale removed it before it was locked
        if folder.exists():
            break
        os.close(lock)
    if version == 2:
        cgroup_hierarchies.hand_down(folder)
    return folder, lock


def _set_limits(controller: str, folder: Path, policy: Policy) -> None:
    processes = policy.processes + 1  # the supervisor
    quota_us = int(policy.cores * _CPU_PERIOD_US)
    if controller == "unified":
        _write(folder / "memory.max", policy.memory_bytes)
        _write_if_there(folder / "memory.swap.max", 0)
        _write_if_there(folder / "memory.oom.group", 1)
        _write_if_there(folder / "pids.max", processes)
        _write_if_there(folder / "cpu.max", f"{quota_us} {_CPU_PERIOD_US}")
    elif controller == "memory":
        _write(folder / "memory.limit_in_bytes", policy.memory_bytes)
        _write_if_there(folder / "memory.memsw.limit_in_bytes", policy.memory_bytes)
    elif controller == "pids":
        _write(folder / "pids.max", processes)
    elif controller == "cpu":
        _write_if_there(folder / "cpu.cfs_period_us", _CPU_PERIOD_US)
        with contextlib.suppress(OSError):  # refused where a parent group has a lower quota, which then applies
            _write_if_there(folder / "cpu.cfs_quota_us", quota_us)


def _reached_limit(memory: Path, *, is_unified: bool) -> bool:
    """Whether the group's own limit of memory was ever met; True where the kernel does not tell."""
    if is_unified:
        met = _field(memory / "memory.events", "oom")
        return met is None or met > 0
    # Version 1 counts no such event for limits that include swap, so the peak has to tell.
    peak, limit = (_number(memory / f"memory.{name}_in_bytes") for name in ("max_usage", "limit"))
    return peak is None or limit is None or peak > limit - _CHARGED_AT_ONCE_BYTES


def _lock(folder: Path, how: int) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
    except OSError:
        os.close(fd)
        raise
    return fd


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    children = [child for child in folder.iterdir() if child.is_dir()]
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


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int | None:
    """The number behind `name` in a file of `name number` lines."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(value) for key, _, value in (line.partition(" ") for line in lines) if key == name), None)
