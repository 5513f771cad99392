"""Turns a forked process into a guest: the descriptors that it keeps, and its resource limits."""

import fcntl
import os
import resource
import sys
from pathlib import Path
from typing import Any

# The descriptors of a run, in the order in which the host sends them.
RUN, REQUEST, RESULT, REPORT, STDOUT, STDERR = range(6)
RUN_FDS = 6
GUEST_REQUEST, GUEST_RESULT, GUEST_REPORT, GUEST_STATUS = 3, 4, 5, 6
"""A guest's descriptors for its request, its result and its report; it closes the last before the submission runs."""
_HIGH_FD = 64
_PENDING_SIGNALS = 1024  # and timers; the kernel counts them per user, and all runs together may have one user


def keep_descriptors(fds: list[int], status: int) -> None:
    """Close everything but the run's pipes and the status pipe, and move these to fixed numbers."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH_FD) for fd in [*fds, status]]
    # Opened anew: flags set on the zygote's descriptor would outlast the run.
    os.dup2(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), 0)
    os.dup2(high[STDOUT], 1)
    os.dup2(high[STDERR], 2)
    os.dup2(high[REQUEST], GUEST_REQUEST, inheritable=False)
    os.dup2(high[RESULT], GUEST_RESULT, inheritable=False)
    os.dup2(high[REPORT], GUEST_REPORT, inheritable=False)
    os.dup2(high[-1], GUEST_STATUS, inheritable=False)
    os.closerange(GUEST_STATUS + 1, open_files())
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def set_limits(config: dict[str, Any]) -> None:
    """Set the limits that apply to each process."""
    # Too small for any core file; with 0, a core_pattern that is a pipe would still get one.
    limit(resource.RLIMIT_CORE, 1)
    limit(resource.RLIMIT_FSIZE, config["file_bytes"])
    limit(resource.RLIMIT_NOFILE, config["open_files"])
    limit(resource.RLIMIT_MSGQUEUE, 0)
    limit(resource.RLIMIT_MEMLOCK, 0)
    limit(resource.RLIMIT_SIGPENDING, _PENDING_SIGNALS)
    cpu_s = int(config["cpu_s"]) + 1
    limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)  # SIGXCPU shows the reason; SIGKILL follows if it is ignored
    if config["limit_data"]:
        limit(resource.RLIMIT_DATA, config["inherited_bytes"] + config["memory_bytes"])


def limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; a lower one stays."""
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


def hide_machine_memory(memory_bytes: int) -> None:
    """Let `os.sysconf` name the run's memory where it would name the machine's, for which it cannot ask any more."""
    pages = memory_bytes // resource.getpagesize()
    ask = os.sysconf
    names = {"SC_PHYS_PAGES", "SC_AVPHYS_PAGES"}
    hidden = names | {os.sysconf_names[name] for name in names}

    def sysconf(name: str | int, /) -> int:
        return pages if name in hidden else ask(name)

    os.sysconf = sysconf


def data_bytes() -> int:
    """The bytes of this process that count towards RLIMIT_DATA."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def open_files() -> int:
    """The limit of open files: one more than the highest possible descriptor."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
