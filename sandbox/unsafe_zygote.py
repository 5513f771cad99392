"""The zygote of the backend that isolates nothing: plain processes of the host, for developing submissions and Lethe.

Here a submission can read and change what its user can, use the network and leave processes behind.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from lethe.sandbox import guest, guest_process, kernel
from lethe.sandbox.zygote import serve_runs


def main(control_fd: int, root: str) -> NoReturn:
    """Serve as `lethe.sandbox.zygote.main` does, on the host's own files; never returns."""
    kernel.die_with_parent()
    serve_runs(control_fd, Path(root), _supervise)


def _supervise(fds: list[int], config: dict[str, Any], harness: Any, context: Any) -> None:
    kernel.die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    run = socket.socket(fileno=fds[guest_process.RUN])
    socket.send_fds(run, [b"hello"], [os.pidfd_open(os.getpid())])
    status_read, status_write = os.pipe()
    scratch = tempfile.mkdtemp(prefix="lethe-unsafe-")
    try:
        child = os.fork()
        if child == 0:
            try:
                run.detach()
                _become_guest(fds, config, scratch, status_write)
                guest.serve(harness, context)
            finally:
                os._exit(1)
        os.close(status_write)
        os.read(status_read, 1)  # returns when the guest leads a session of its own
        for fd in fds[guest_process.REQUEST :]:
            os.close(fd)
        socket.send_fds(run, [b"started"], [os.pidfd_open(child), os.pidfd_open(child)])
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        os.killpg(child, signal.SIGKILL)  # the child is not reaped yet, so the number is still its own
        _, wait_status, usage = os.wait4(child, 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    cpu_s = usage.ru_utime + usage.ru_stime
    run.send(json.dumps({"wait_status": wait_status, "cpu_s": cpu_s}).encode("ascii"))
    os._exit(0)


def _become_guest(fds: list[int], config: dict[str, Any], scratch: str, status_fd: int) -> None:
    kernel.die_with_parent()
    os.setsid()
    guest_process.keep_descriptors(fds, status_fd)
    os.environ.update(HOME=scratch, TMPDIR=scratch)
    tempfile.tempdir = None
    os.chdir(scratch)
    guest_process.set_limits(config)
    sys.path.extend(config["layers"])
    os.close(guest_process.GUEST_STATUS)
