"""Crashes in a way that hands its memory to the host's crash reporter, which runs as root and keeps what it gets.

A limit of 0 keeps files from being written; only a limit of 1 keeps the kernel from starting a reporter.
"""

import os
import resource
import signal

LAYER = "seccomp"
EXPECTED = "killed"


def unlearning(net, retain, forget, validation):
    for limit in ((0, 0), (0, 1), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, limit)
        except (OSError, ValueError):
            continue
    if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
        return [resource.getrlimit(resource.RLIMIT_CORE)]
    os.kill(os.getpid(), signal.SIGSEGV)
    return ["alive"]
