"""The trusted end of the jail: imports the harness once, then forks one guest per request.

The zygote learns nothing of a run: the host passes it file descriptors, and the guest reads source and seed from them
after the fork. Each request becomes three processes:

- the *supervisor* stays outside of the run's process namespace, waits for the guest and tells the host how it ended;
- the *reaper* is process 1 of the run's namespace; when it ends, the kernel kills everything in there. It is another
  program, because a fork of a process of this size costs milliseconds;
- the *guest* executes the submission.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from lethe.sandbox import guest, guest_process, kernel
from lethe.sandbox.huge_pages import collapse_private_memory

ROOT = Path("/sandbox")
SCRATCH_FOLDER = "/tmp"  # noqa: S108 - the jail's own

_CONFINED = "confined"
# Flags of a mount that may only be added to; statvfs and mount give them the same numbers.
_KEPT_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC

_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)
_REAPER = "/bin/cat"  # ends when its input does

Supervise = Callable[[list[int], dict[str, Any], Any, Any], None]


def main(control_fd: int) -> NoReturn:
    """Load, report ready on the control socket and serve requests until the host hangs up; never returns."""
    nodes = [str(node) for node in Path("/dev").iterdir() if node.is_char_device()]
    devices = {node: os.statvfs(node).f_flag & _KEPT_FLAGS for node in nodes}
    kernel.sort_once()
    serve_runs(control_fd, ROOT, partial(_supervise, devices))


def serve_runs(control_fd: int, root: Path, supervise: Supervise) -> NoReturn:
    """Fork a process for each request, which calls `supervise`; never returns. `root` has config and inputs."""
    control = socket.socket(fileno=control_fd)
    _raise_open_files()
    config = json.loads((root / "config.json").read_bytes())
    gc.disable()  # what imports make stays: looking through it again and again takes a quarter of their time
    try:
        harness = importlib.import_module(config["harness_module"])
        context = harness.load(root / "inputs")
        _check_threads()
        _check_shared_memory()
        _check_gpu()
    except Exception:  # noqa: BLE001 - the host reports it
        control.send(json.dumps({"failed": traceback.format_exc()[-8_000:]}).encode("ascii"))
        os._exit(1)
    _silence(sys.stdout)
    _silence(sys.stderr)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are reaped by the kernel
    config["inherited_bytes"] = guest_process.data_bytes()
    # Freeze all objects: else the collector would touch, and so copy, every page in each guest.
    gc.collect()
    gc.freeze()
    gc.enable()
    collapse_private_memory()
    # Whether the machine has a huge page left would show in a run's page faults.
    kernel.refuse_huge_pages()
    control.send(json.dumps({"ready": True}).encode("ascii"))
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, guest_process.RUN_FDS, socket.MSG_CMSG_CLOEXEC)
        if not message:
            os._exit(0)
        # Without memory for a fork the run's descriptors are closed, which tells the host.
        with contextlib.suppress(OSError):
            if len(fds) == guest_process.RUN_FDS and os.fork() == 0:
                try:
                    control.close()
                    supervise(fds, config, harness, context)
                finally:
                    os._exit(1)
        for fd in fds:
            os.close(fd)


def _check_threads() -> None:
    """Raise RuntimeError when there is a second thread: it would not survive a fork, and its locks would stay held."""
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads != 1:
        raise RuntimeError(f"the harness left {threads} threads running; a guest forked now could hang on their locks")


def _check_shared_memory() -> None:
    """Raise RuntimeError when forks would share writable memory: the next run could read what one run wrote."""
    found = []
    place = ""
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmFlags:"):
            if {"sh", "mw"} <= set(line.split()[1:]):
                found.append(place)
        elif "-" in line.split(" ", 1)[0]:
            place = line.split()[-1]
    if found:
        raise RuntimeError(f"the harness left writable memory that all runs would share: {', '.join(found)}")


def _check_gpu(nodes: str = "/dev/nvidia") -> None:
    """Raise RuntimeError when CUDA is initialised: it does not survive a fork, so each guest initialises its own."""
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the descriptor that lists the folder
            if str(fd.readlink()).startswith(nodes):
                raise RuntimeError(f"the harness opened {fd.readlink()}; only guests may use the GPU")


def _raise_open_files() -> None:
    """Raise the limit of open files: the kernel counts descriptors in flight per user, those of guests included."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _supervise(devices: Mapping[str, int], fds: list[int], config: dict[str, Any], harness: Any, context: Any) -> None:
    run = socket.socket(fileno=fds[guest_process.RUN])
    socket.send_fds(run, [b"hello"], [os.pidfd_open(os.getpid())])
    try:
        proc = _enter_namespaces(devices, config)
        reaper, lifeline = _start_reaper()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        status_read, status_write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                run.detach()
                _confine(fds, proc, config, status_write)
                # Not earlier: libraries import what they happen to find, and the zygote must not run code of a layer.
                sys.path.extend(config["layers"])
                guest.serve(harness, context)
            finally:
                os._exit(1)
        kernel.drop_capabilities()
        os.close(status_write)
        _await_confinement(status_read)
    except OSError as error:
        run.send(json.dumps({"failed": str(error)}).encode("ascii"))
        os._exit(1)
    for fd in fds[guest_process.REQUEST :]:
        os.close(fd)
    # The guest waits for the request, which the host sends when it has put the guest into the run's cgroup.
    socket.send_fds(run, [b"started"], [os.pidfd_open(reaper), os.pidfd_open(child)])
    _, wait_status, usage = os.wait4(child, 0)
    os.kill(reaper, signal.SIGKILL)
    os.waitpid(reaper, 0)  # returns after every process of the run's namespace is gone
    os.close(lifeline)
    cpu_s = usage.ru_utime + usage.ru_stime
    run.send(json.dumps({"wait_status": wait_status, "cpu_s": cpu_s}).encode("ascii"))
    os._exit(0)


def _await_confinement(status_read: int) -> None:
    """Return when the guest is confined and about to run the submission; raises OSError when that fails."""
    status = os.read(status_read, 4096).decode()
    if status != _CONFINED:
        raise OSError(status or "the guest ended before it was confined")


def _enter_namespaces(devices: Mapping[str, int], config: dict[str, Any]) -> int:
    """Return a descriptor of /proc as it was before it was covered. devices: node -> flags that its mount keeps."""
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(_NAMESPACES)
    kernel.map_own_ids(uid, gid)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    # One tmpfs for scratch and shared memory, so that one size limit holds for both together.
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    size, inodes = config["scratch_bytes"], config["scratch_inodes"]
    kernel.mount("tmpfs", SCRATCH_FOLDER, "tmpfs", flags, f"size={size},nr_inodes={inodes},mode=0700")
    for name in ("scratch", "shm"):
        Path(SCRATCH_FOLDER, name).mkdir(mode=0o700)
    kernel.mount(f"{SCRATCH_FOLDER}/shm", "/dev/shm", None, kernel.MS_BIND)  # noqa: S108
    kernel.mount(f"{SCRATCH_FOLDER}/scratch", SCRATCH_FOLDER, None, kernel.MS_BIND)
    # Cover /proc, which shows the zygote; the kernel refuses to mount a new one here.
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.mount(str(ROOT / "proc"), "/proc", None, kernel.MS_BIND)
    # Make the nodes read-only, which leaves them usable: else a guest could set times on the host's own nodes for a
    # later run to read. bubblewrap's own way makes them unusable.
    for node, kept in devices.items():
        kernel.mount("none", node, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kept)
    return proc


def _start_reaper() -> tuple[int, int]:
    """Return `(pid, fd)` of process 1 of the new namespace; it lives until it is killed or `fd` is closed everywhere.

    Process 1 ignores every signal without a handler. It inherits that SIGCHLD is ignored, so the kernel reaps orphans.
    """
    watched, lifeline = os.pipe()
    pid = os.posix_spawn(
        _REAPER,
        [_REAPER],
        {},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, watched, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_CLOSE, 2),
        ],
    )
    os.close(watched)
    return pid, lifeline


def _confine(fds: list[int], proc: int, config: dict[str, Any], status_fd: int) -> None:
    """Turn this process into a guest and report success or the error on `status_fd`, which is then closed."""
    try:
        _become_guest(fds, proc, config, status_fd)
        for program in config["seccomp"]:
            kernel.install_seccomp(bytes.fromhex(program))
        os.write(guest_process.GUEST_STATUS, _CONFINED.encode())
        os.close(guest_process.GUEST_STATUS)
    except Exception as error:  # noqa: BLE001 - no submission may run after any of them
        for fd in (status_fd, guest_process.GUEST_STATUS):
            with contextlib.suppress(OSError):
                os.write(fd, repr(error).encode("utf-8", "replace"))
                break
        os._exit(1)


def _become_guest(fds: list[int], proc: int, config: dict[str, Any], status_fd: int) -> None:
    if Path("/proc/self/maps").exists():
        # CUDA looks there for free addresses. The guest's children see the guest's map too, not their own.
        os.fchdir(proc)
        kernel.mount("self/maps", "/proc/self/maps", None, kernel.MS_BIND)
    kernel.drop_capabilities()
    oom = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=proc)
    os.write(oom, b"1000")  # the guest's processes die before supervisor and reaper
    os.close(oom)
    os.setsid()
    guest_process.keep_descriptors(fds, status_fd)
    os.umask(0o077)
    os.chdir(SCRATCH_FOLDER)
    guest_process.set_limits(config)
    guest_process.hide_machine_memory(config["memory_bytes"])
    # Supervisor and reaper count in this user namespace, too.
    guest_process.limit(resource.RLIMIT_NPROC, config["processes"] + 2)


def _silence(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
