"""Targets of attacks outside of the jail: secrets, listeners, files, a process; and checks on each of them."""

import contextlib
import ctypes
import json
import os
import secrets
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

NEEDLE = "lethe-secret-"
ENVIRONMENT_NAME = "PLANTED_BY_LETHE"
DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom"))
_IPC_CREATE = 0o1000
_IPC_REMOVE = 0


class Plants:
    """Targets that exist during a `with` block. `uid`: that of guests on this machine, and of the victim process.

    Every secret begins with NEEDLE, so that an attack can search for all of them; the rest of it is random.
    """

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self._stack = contextlib.ExitStack()
        self.secrets: list[str] = []
        self.targets: dict[str, Any] = {"needle": NEEDLE, "gpu": None}
        self.folder = Path()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._plant(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def secret(self) -> str:
        """A new secret that no text of a run may ever contain."""
        made = NEEDLE + secrets.token_hex(16)
        self.secrets.append(made)
        return made

    def write_targets(self, folder: Path) -> Path:
        """Write a file into `folder` that tells attacks where the plants are."""
        path = folder / "targets.json"
        path.write_text(json.dumps(self.targets), encoding="utf-8")
        return path

    def gives_away_secret(self, *texts: str | bytes) -> bool:
        """Whether one of `texts` gives a secret away."""
        joined = b"\n".join(text.encode("utf-8", "replace") if isinstance(text, str) else text for text in texts)
        return any(secret.encode() in joined for secret in self.secrets)

    def disturbance(self) -> str | None:
        """What an attack did outside of its jail, or None; a connection is reported once."""
        checks = (self._connection, self._changed_file, self._hurt_victim, self._touched_device)
        return next((found for check in checks if (found := check()) is not None), None)

    def _plant(self, stack: contextlib.ExitStack) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lethe-plants-")))
        self.folder.chmod(0o755)
        self._plant_files(stack)
        self._plant_listeners(stack)
        stack.callback(os.environ.pop, ENVIRONMENT_NAME, None)
        os.environ[ENVIRONMENT_NAME] = self.secret()
        self._plant_segment(stack)
        identity: dict[str, Any] = {"user": self._uid, "group": self._uid, "extra_groups": []}
        self._victim = subprocess.Popen(
            ["sleep", "86400"],
            env={"PATH": os.defpath, "SECRET": self.secret()},
            cwd="/",
            **(identity if os.geteuid() == 0 else {}),
        )
        stack.callback(self._victim.wait)
        stack.callback(self._victim.kill)
        self._niceness = os.getpriority(os.PRIO_PROCESS, self._victim.pid)
        self.targets |= {"victim_pid": self._victim.pid, "host_pid": os.getpid()}
        self._device_times = _times()

    def _plant_files(self, stack: contextlib.ExitStack) -> None:
        shared_memory = Path("/dev/shm", f"lethe-{secrets.token_hex(8)}")  # noqa: S108 - the host's, on purpose
        stack.callback(shared_memory.unlink, missing_ok=True)
        for name, path, mode in (
            ("readable_file", self.folder / "readable.txt", 0o644),
            ("closed_file", self.folder / "closed.txt", 0o600),
            ("shared_memory_file", shared_memory, 0o644),
            ("test_set_file", self.folder / "evaluation.safetensors", 0o644),
            ("writable_file", self.folder / "writable.txt", 0o666),
        ):
            path.write_text(self.secret(), encoding="ascii")
            path.chmod(mode)
            self.targets[name] = str(path)
        writable = self.folder / "writable"
        writable.mkdir()
        writable.chmod(0o777)
        self.targets["writable_folder"] = str(writable)
        self._contents = self._snapshot()
        # Inheritable, as a careless library would leave it.
        descriptor = os.open(self.folder / "closed.txt", os.O_RDONLY)
        os.set_inheritable(descriptor, True)
        stack.callback(os.close, descriptor)

    def _plant_listeners(self, stack: contextlib.ExitStack) -> None:
        abstract = f"\0lethe-{secrets.token_hex(8)}"
        named = str(self.folder / "socket")
        wanted: list[tuple[str, socket.AddressFamily, socket.SocketKind, Any]] = [
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("tcp6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, abstract),
            ("named", socket.AF_UNIX, socket.SOCK_STREAM, named),
        ]
        self._listeners: dict[str, socket.socket] = {}
        for name, family, kind, address in wanted:
            self.targets[name] = None
            with contextlib.suppress(OSError):  # machines without IPv6
                listener = stack.enter_context(socket.socket(family, kind))
                listener.bind(address)
                if kind is socket.SOCK_STREAM:
                    listener.listen()
                listener.setblocking(False)
                self._listeners[name] = listener
                self.targets[name] = address if family is socket.AF_UNIX else listener.getsockname()[1]
        Path(named).chmod(0o777)

    def _plant_segment(self, stack: contextlib.ExitStack) -> None:
        """A System V shared memory segment that everybody may read."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        key = secrets.randbelow(2**30) + 1
        segment = libc.shmget(key, 4096, _IPC_CREATE | 0o666)
        self.targets["segment_key"] = key
        if segment >= 0:
            stack.callback(libc.shmctl, segment, _IPC_REMOVE, None)
            address = libc.shmat(segment, None, 0)
            ctypes.memmove(address, self.secret().encode(), len(NEEDLE) + 32)
            libc.shmdt(ctypes.c_void_p(address))

    def _connection(self) -> str | None:
        for name, listener in self._listeners.items():
            with contextlib.suppress(BlockingIOError):
                if listener.type is socket.SOCK_STREAM:
                    listener.accept()[0].close()
                else:
                    listener.recv(65536)
                return f"something reached the listener {name}"
        return None

    def _changed_file(self) -> str | None:
        return None if self._snapshot() == self._contents else f"something changed in {self.folder}"

    def _hurt_victim(self) -> str | None:
        if self._victim.poll() is not None:
            return "the process of the same user was killed"
        state = Path(f"/proc/{self._victim.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        if state not in {"S", "R", "D"}:
            return f"the process of the same user is in state {state}"
        niceness = os.getpriority(os.PRIO_PROCESS, self._victim.pid)
        return None if niceness == self._niceness else "the process of the same user was reniced"

    def _touched_device(self) -> str | None:
        return None if _times() == self._device_times else "the times of the host's device nodes were set"

    def _snapshot(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): b"" if not path.is_file() else path.read_bytes()
            for path in self.folder.rglob("*")
            if not path.is_socket()
        }


def _times() -> list[int]:
    return [path.stat().st_mtime_ns for path in DEVICES]


def children(pid: int) -> set[int]:
    """The processes that `pid` started; empty when it is gone."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found |= {int(child) for child in (task / "children").read_text(encoding="ascii").split()}
    return found


def jailed_processes() -> set[int]:
    """All processes below the jails that this process has open."""
    pending = [child for child in children(os.getpid()) if _is_jail(child)]
    found: set[int] = set()
    while pending:
        new = children(pending.pop()) - found
        pending += new
        found |= new
    return found


def _is_jail(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "bwrap"
    except OSError:
        return False
