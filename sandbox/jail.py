"""The outer bubblewrap jail: what it binds, and the life of the zygote process inside."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from lethe.sandbox.errors import SandboxFailure, SandboxUnavailable
from lethe.sandbox.identity import Identity, identity_arguments
from lethe.sandbox.image import BOOT, Image
from lethe.sandbox.interpreter import Interpreter
from lethe.sandbox.memory_files import IMAGE, OWN
from lethe.sandbox.policy import Policy
from lethe.sandbox.setup import Setup
from lethe.sandbox.staging import Staging

_INSTALL = "bubblewrap is not installed: apt-get install bubblewrap"
_BOOT = "import sys; sys.path.insert(0, '/sandbox/code'); from lethe.sandbox.zygote import main; main(int(sys.argv[1]))"
_UNSAFE_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[2] + '/code'); "
    "from lethe.sandbox.unsafe_zygote import main; main(int(sys.argv[1]), sys.argv[2])"
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ZYGOTE_TMP = ["--size", str(16 << 20), "--tmpfs", "/tmp"]  # noqa: S108 - the jail's own; guests see another one
_MALLOC_MMAP_BYTES = 32 << 20  # the most that glibc takes
_MALLOC_KEPT_BYTES = 256 << 20
_LOG_TAIL = 4_000
_OWN_FILES = ("code", "inputs", "etc", "proc", "config.json")


def find_bwrap() -> str:
    """The path of bubblewrap; raises SandboxUnavailable."""
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable(_INSTALL)
    return found


def build_command(
    fd: int,
    *,
    bwrap: str,
    setup: Setup,
    policy: Policy,
    identity: Identity,
    interpreter: Interpreter,
    staging: Staging,
    image: Image,
    gpu_nodes: tuple[Path, ...] = (),
) -> list[str]:
    """The command of the jail whose zygote talks on descriptor `fd`: fills files in memory, then becomes bwrap."""
    trees = {name: str(staging.root / name) for name in _OWN_FILES}
    trees |= {f"layers/{index}": str(layer) for index, layer in enumerate(setup.extra_paths)}
    fds = [str(image.user_fd), str(image.mount_fd)]
    start = [str(interpreter.host), "-I", "-S", "-B", "-c", BOOT, str(staging.code), "jail", *fds]
    return [
        *start,
        json.dumps(list(trees.items())),
        *_bwrap_command(fd, bwrap, setup, policy, identity, interpreter, gpu_nodes),
    ]


def _bwrap_command(
    fd: int,
    bwrap: str,
    setup: Setup,
    policy: Policy,
    identity: Identity,
    interpreter: Interpreter,
    gpu_nodes: tuple[Path, ...],
) -> list[str]:
    arguments = [bwrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    arguments += [
        "--unshare-cgroup-try",
        "--hostname",
        "sandbox",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ]
    arguments += ["--uid", str(identity.jail_uid), "--gid", str(identity.jail_gid), "--clearenv"]
    for name, value in environment_of(policy).items():
        arguments += ["--setenv", name, value]
    arguments += _system_binds(gpu_nodes)
    for place in interpreter.binds:
        arguments += ["--ro-bind", f"{IMAGE}{interpreter.place_in_image(place)}", str(place)]
    for name in ("code", "inputs", "proc", "config.json"):
        arguments += ["--ro-bind", f"{OWN}/{name}", f"/sandbox/{name}"]
    if setup.extra_paths:
        arguments += ["--ro-bind", f"{OWN}/layers", "/sandbox/layers"]
    for link, target in setup.links.items():
        arguments += ["--symlink", target, link]
    arguments += ["--remount-ro", "/", "--chdir", "/"]
    return [*arguments, "--", str(interpreter.executable), "-s", "-P", "-B", "-c", _BOOT, str(fd)]


def _system_binds(gpu_nodes: tuple[Path, ...]) -> list[str]:
    arguments = ["--ro-bind", f"{IMAGE}/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind-try", f"{IMAGE}{path}", str(path)]
    for name in ("passwd", "group"):
        arguments += ["--ro-bind", f"{OWN}/etc/{name}", f"/etc/{name}"]
    arguments += ["--ro-bind-try", f"{IMAGE}/etc/ld.so.cache", "/etc/ld.so.cache"]
    arguments += ["--proc", "/proc", "--tmpfs", "/dev"]
    for node in (*(Path("/dev", name) for name in _DEVICES), *gpu_nodes):
        arguments += ["--dev-bind", str(node), f"/dev/{node.name}"]
    return [*arguments, "--dir", "/dev/shm", "--remount-ro", "/dev", *_ZYGOTE_TMP]  # noqa: S108


def build_unsafe_command(fd: int, *, setup: Setup, staging: Staging) -> list[str]:
    """The command line of the zygote without a jail."""
    return [str(setup.python), "-s", "-P", "-B", "-c", _UNSAFE_BOOT, str(fd), str(staging.root)]


def environment_of(policy: Policy) -> dict[str, str]:
    """All environment variables of a guest; results depend on none of them but the threads."""
    threads = str(policy.threads)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108 - the jail's own
        "TMPDIR": "/tmp",  # noqa: S108 - the jail's own
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",  # the order of sets is the same in every zygote
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": "1",  # it starts threads at import, which do not survive a fork
        # Keep freed memory instead of returning it and faulting it in again at every step, which takes a third of a
        # small network's training time. Kept memory counts towards the limit, so it is only a fraction of it.
        "MALLOC_MMAP_THRESHOLD_": str(_MALLOC_MMAP_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(min(_MALLOC_KEPT_BYTES, policy.memory_bytes // 8)),
    }


class Jail:
    """A running zygote. Raises SandboxFailure from the constructor when it does not come up within `setup.start_s`."""

    def __init__(
        self,
        command_for: Callable[[int], list[str]],
        setup: Setup,
        identity: Identity,
        environment: Mapping[str, str] | None = None,
        image: Image | None = None,
    ) -> None:
        self._identity = identity
        self._environment = dict(environment or {})
        self._kept_fds = () if image is None else (image.user_fd, image.mount_fd)
        self._log = b""
        self._sending = threading.Lock()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._start_error: OSError | None = None
        self._control, zygote_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # With --die-with-parent the kernel kills bubblewrap when the *thread* that started it ends. This thread lives
        # as long as the jail; the caller's may not.
        self._process_thread = threading.Thread(
            target=self._run_process, args=(command_for(zygote_end.fileno()), zygote_end), daemon=True
        )
        self._process_thread.start()
        self._started.wait()
        try:
            self._await_ready(setup.start_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def spawn(self, fds: list[int]) -> None:
        """Send the zygote the descriptors of a run; raises SandboxFailure when it is gone."""
        try:
            with self._sending:
                socket.send_fds(self._control, [b"run"], fds)
        except OSError as error:
            raise SandboxFailure(f"the zygote is gone ({error}){self._log_tail()}") from error

    def close(self) -> None:
        """Kill everything in the jail and wait until it is gone."""
        # The zygote exits when the host hangs up. Shut the socket down before closing it: a child that the host forked
        # meanwhile may have a copy of the descriptor.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        process = self._process
        if process is not None:
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                process.kill()
        self._process_thread.join(timeout=10)

    def _run_process(self, command: list[str], zygote_end: socket.socket) -> None:
        try:
            with zygote_end:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=[zygote_end.fileno(), *self._kept_fds],
                    cwd="/",
                    env=self._environment,
                    start_new_session=True,
                    umask=0o077,
                    **identity_arguments(self._identity),
                )
        except OSError as error:
            self._start_error = error
        finally:
            self._started.set()
        if self._process is not None and self._process.stdout is not None:
            with self._process.stdout as log:
                while data := os.read(log.fileno(), 4096):
                    self._log = (self._log + data)[-_LOG_TAIL:]
            self._process.wait()

    def _await_ready(self, start_s: float) -> None:
        if self._start_error is not None:
            raise SandboxFailure(f"the jail could not be started: {self._start_error}")
        self._control.settimeout(start_s)
        try:
            message = self._control.recv(65536)
        except TimeoutError:
            raise SandboxFailure(f"the zygote was not ready after {start_s:g} s{self._log_tail()}") from None
        except OSError as error:
            raise SandboxFailure(f"the zygote broke off ({error}){self._log_tail()}") from error
        if not message:
            self._process_thread.join(timeout=5)  # it reads the last arguments
            raise SandboxFailure(f"the jail ended before the zygote was ready{self._log_tail()}")
        answer = json.loads(message)
        if "ready" not in answer:
            raise SandboxFailure(f"the harness could not be loaded:\n{answer['failed']}")
        self._control.settimeout(30)

    def _log_tail(self) -> str:
        text = self._log.decode("utf-8", "replace").strip()
        return f"; it said:\n{text}" if text else ""
