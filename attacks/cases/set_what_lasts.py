"""Tries to change what files, devices and its user could carry to the next run: modes, times, attributes, locks."""

import contextlib
import fcntl
import os
import resource

LAYER = "isolation-between-runs"
EXPECTED = "ok"
OBSERVED = True


def unlearning(net, retain, forget, validation):
    for folder, names, files in os.walk("/"):
        if folder.startswith(("/usr/share/zoneinfo", "/usr/lib/python")) and folder.count("/") > 4:
            names.clear()
        for path in (folder, *(os.path.join(folder, name) for name in files)):
            touch(path)
    for attempt in (
        lambda: os.nice(5),
        lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
        lambda: os.rename("/sandbox/code", "/sandbox/other"),
        lambda: os.link(os.__file__, "/tmp/link"),
    ):
        with contextlib.suppress(OSError):
            attempt()


def touch(path):
    for attempt in (
        lambda: os.chmod(path, 0o777),
        lambda: os.utime(path, (1, 1)),
        lambda: os.setxattr(path, "user.mark", b"1"),
        lambda: os.truncate(path, 1),
    ):
        with contextlib.suppress(OSError):
            attempt()
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        for attempt in (
            lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
            lambda: fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK),
            lambda: fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND | os.O_DIRECT),
            lambda: os.fsync(descriptor),
        ):
            with contextlib.suppress(OSError):
                attempt()
        os.close(descriptor)
