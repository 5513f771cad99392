"""Runs one trusted program on untrusted input: another uid, an empty environment, bounds on time, memory and disk."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lethe.evaluator.dependencies.errors import InstallInterrupted
from lethe.evaluator.errors import EvaluatorError

_TICK_S = 0.05
_OUTPUT_BYTES = 256 * 2**10
_BUSY_FRACTION = 0.1  # of the time; low, because the machine may be busy with other things
_MEMORY_BYTES = 2 * 2**30
# Limits itself, asks to be killed with the waiting thread, and becomes the program. PR_SET_PDEATHSIG is 1.
_LAUNCH = """
import ctypes, json, os, resource, signal, sys
limits, parent = json.loads(sys.argv[1])
for number, limit in limits:
    resource.setrlimit(number, (limit, limit))
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != parent:
    sys.exit("the waiting process ended first")
for number in (signal.SIGXFSZ, signal.SIGPIPE):  # Python ignores both, and the program would inherit that
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Bounds:
    """The limits of a program; bytes and files are those in its folder together."""

    wall_s: float
    folder_bytes: int
    folder_files: int


@dataclass(frozen=True)
class Finished:
    """The end of a program within its bounds. `stdout` and `stderr` are cut at 256 KiB."""

    returncode: int
    stdout: str
    stderr: str


class TooMuchDisk(EvaluatorError):
    """The program wrote more bytes or files than its bounds allow."""


class TooLong(EvaluatorError):
    """The program ran longer than its bounds allow. `waited`: it spent most of the time waiting, not computing."""

    def __init__(self, *, waited: bool) -> None:
        super().__init__()
        self.waited = waited


@dataclass(frozen=True)
class Confinement:
    """The uid and the environment of a program. `uid` None: the caller's own, which is not root."""

    uid: int | None
    environment: Mapping[str, str]

    def run(self, command: Sequence[str], folder: Path, bounds: Bounds, cancel: threading.Event) -> Finished:
        """Run `command` in `folder`; when this returns, all processes of its session are dead.

        Raises TooMuchDisk, TooLong, InstallInterrupted, and OSError when it cannot be started.
        """
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                _with_limits(command, bounds),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env=dict(self.environment),
                start_new_session=True,
                umask=0o022,
                **self._identity(),
            )
            try:
                _await_end(process.pid, folder, bounds, cancel)
            finally:
                # The leader is not reaped yet, so nothing else can have its group's number.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.returncode == -signal.SIGXFSZ:
                raise TooMuchDisk
            return Finished(process.returncode, _read_start(stdout), _read_start(stderr))

    def _identity(self) -> dict[str, Any]:
        return {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}


def _with_limits(command: Sequence[str], bounds: Bounds) -> list[str]:
    limits = [
        (resource.RLIMIT_FSIZE, bounds.folder_bytes),
        (resource.RLIMIT_DATA, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, int(4 * bounds.wall_s) + 1),
        (resource.RLIMIT_CORE, 0),
    ]
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, json.dumps([limits, os.getpid()]), *command]


def _await_end(pid: int, folder: Path, bounds: Bounds, cancel: threading.Event) -> None:
    """Return when the process has ended; it stays unreaped."""
    deadline = time.monotonic() + bounds.wall_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if cancel.is_set():
            raise InstallInterrupted
        started = time.monotonic()
        if started > deadline:
            raise TooLong(waited=_cpu_s(pid) < _BUSY_FRACTION * bounds.wall_s)
        check_disk(folder, bounds)
        looked_s = time.monotonic() - started
        time.sleep(max(_TICK_S, 2 * looked_s))
    check_disk(folder, bounds)


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its reaped children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def check_disk(folder: Path, bounds: Bounds) -> None:
    """Raise TooMuchDisk when the content of `folder` exceeds `bounds`."""
    used_bytes, files = disk_use(folder)
    if used_bytes > bounds.folder_bytes or files > bounds.folder_files:
        raise TooMuchDisk


def disk_use(folder: Path) -> tuple[int, int]:
    """`(bytes, files)` below `folder`: the larger of size and allocation, hard links once; links are not followed."""
    seen: set[int] = set()
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:  # it was moved meanwhile
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += max(status.st_size, status.st_blocks * 512)
    return total, len(seen)


def _read_start(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(_OUTPUT_BYTES).decode("utf-8", "replace")
