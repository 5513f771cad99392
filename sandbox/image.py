"""The image of jails: the host's files that guests may see, copied once into a file system in memory.

Files of a disk are a notebook that all runs share: reading one brings its pages into memory, and a later run can tell,
by its page faults if by nothing else. In memory every page is always there.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lethe.sandbox.errors import SandboxFailure, SandboxUnavailable
from lethe.sandbox.identity import Identity, identity_arguments
from lethe.sandbox.image_contents import Contents, collect
from lethe.sandbox.image_registry import HeldImage, held_here, join_or_register, leave
from lethe.sandbox.interpreter import Interpreter
from lethe.sandbox.staging import staged_code

BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from lethe.sandbox.memory_files import main; main(*sys.argv[2:])"
_BUILD_S = 600.0
_MEMORY = Path("/proc/meminfo")
_SWAPS = Path("/proc/swaps")


@dataclass(frozen=True, slots=True)
class Image:
    """Files in memory, which exist as long as descriptors or jails keep the namespaces that they are mounted in."""

    user_fd: int
    mount_fd: int
    files: int
    size_bytes: int

    def close(self) -> None:
        os.close(self.user_fd)
        os.close(self.mount_fd)


@dataclass(frozen=True, slots=True)
class _Key:
    python: Path
    uid: int
    with_packages: bool
    with_gpu: bool
    is_shared: bool


@dataclass(slots=True)
class _Shared:
    """An image and how many jails of this process hold it; `held` is what other processes know of it, under `name`."""

    image: Image
    holders: int = 0
    name: str = ""
    held: HeldImage | None = None

    def close(self) -> None:
        if self.held is not None:
            leave(self.name, self.held)
        self.image.close()


_shared: dict[_Key, _Shared] = {}
_lock = threading.Lock()


@contextmanager
def held_image(
    interpreter: Interpreter, identity: Identity, *, with_packages: bool, with_gpu: bool, is_shared: bool = False
) -> Iterator[Image]:
    """The image for these jails, built by the first who needs it; its memory is free when the last has left.

    Unless `is_shared` it is not shared with other processes: runs at the same time can meet on the pages of shared
    files, and a worker does one stage at a time. Raises SandboxUnavailable when memory does not suffice, SandboxFailure
    when it cannot be built.
    """
    key = _Key(interpreter.host, identity.uid, with_packages, with_gpu, is_shared)
    with _lock:
        shared = _shared.get(key)
        if shared is None:
            contents = collect(interpreter, with_packages=with_packages, with_gpu=with_gpu)
            build = partial(_build, contents, interpreter, identity)
            shared = _shared[key] = _join(f"{_digest(key, contents)}.json", build) if is_shared else _Shared(build())
        shared.holders += 1
    try:
        yield shared.image
    finally:
        with _lock:
            shared.holders -= 1
            if shared.holders == 0:
                del _shared[key]
                shared.close()


def _join(name: str, build: Callable[[], Image]) -> "_Shared":
    """The image that processes share under `name`."""

    def built() -> HeldImage:
        image = build()
        return held_here(image.user_fd, image.mount_fd, image.files, image.size_bytes)

    held = join_or_register(name, built)
    return _Shared(Image(held.user_fd, held.mount_fd, held.files, held.size_bytes), name=name, held=held)


def _digest(key: "_Key", contents: Contents) -> str:
    """A name that changes with what is in the image."""
    files = {}
    for place, source in contents.files.items():
        found = os.stat(source)
        files[place] = (source, found.st_size, found.st_mtime_ns)
    text = json.dumps([str(key.python), key.uid, files, contents.links], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def needed_bytes(contents: Contents) -> int:
    """The memory that an image takes: whole pages."""
    return sum(-(-os.stat(source).st_size // 4096) * 4096 for source in contents.files.values())


def available_bytes() -> int:
    """The machine's memory that is free or can be made free."""
    for line in _MEMORY.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def can_be_swapped() -> bool:
    """Whether the machine swaps; then pages of an image may leave memory, and runs could tell which."""
    try:
        return len(_SWAPS.read_text(encoding="ascii").splitlines()) > 1
    except OSError:
        return False


def _build(contents: Contents, interpreter: Interpreter, identity: Identity) -> Image:
    needed, available = needed_bytes(contents), available_bytes()
    if needed > available:
        raise SandboxUnavailable(
            f"files for guests take {needed / 2**30:.1f} GiB of memory, and {available / 2**30:.1f} GiB are free: stop "
            "something, or install the CPU build of torch, which is smaller"
        )
    host, builder = socket.socketpair()
    with host, staged_code() as code:
        with builder:
            process = subprocess.Popen(
                [str(interpreter.host), "-I", "-S", "-B", "-c", BOOT, str(code), "image", str(builder.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[builder.fileno()],
                cwd="/",
                env={},
                text=True,
                **identity_arguments(identity),
            )
        wanted = json.dumps({"files": contents.files, "links": contents.links})
        try:
            _, complaint = process.communicate(wanted, timeout=_BUILD_S)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode == -signal.SIGKILL:
            raise SandboxUnavailable(
                f"files for guests take {needed / 2**30:.1f} GiB, and copying them was killed: raise the "
                "memory limit of this container or control group"
            )
        if process.returncode != 0:
            raise SandboxFailure(f"the image could not be built: {complaint.strip()[-2_000:]}")
        with contextlib.suppress(OSError):
            message, fds, _, _ = socket.recv_fds(host, 4096, 2, socket.MSG_CMSG_CLOEXEC)
            if len(fds) == 2:
                answer = json.loads(message)
                return Image(fds[0], fds[1], answer["files"], answer["bytes"])
        raise SandboxFailure("the image was built, and cannot be reached")
