"""The rules of `system_calls`, as BPF programs compiled on the host."""

import errno
import platform
import tempfile
from functools import cache
from typing import Any

from lethe.sandbox import system_calls as calls
from lethe.sandbox.errors import SandboxUnavailable

_AF_UNIX = 1
_ADDRESS_WITHOUT_NAME_BYTES = 2
_LOW_WORD = 0xFFFFFFFF
_BINARY_TREE = 2
_RLIMIT_CORE = 4


@cache
def compile_filters(*, with_gpu: bool = False) -> tuple[bytes, ...]:
    """The BPF programs (arrays of struct sock_filter) for this machine; raises SandboxUnavailable without libseccomp.

    What they do not list answers ENOSYS; calls of another architecture and of x32 kill. with_gpu: the guest may ask a
    GPU's driver for anything.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise SandboxUnavailable(f"libseccomp cannot be loaded ({error}): apt-get install libseccomp2") from error
    rules = _Rules(pyseccomp, default=pyseccomp.ERRNO(errno.ENOSYS))
    rules.allow(" ".join(calls.ALLOWED.values()))
    rules.answer(0, " ".join(calls.PRETENDED.values()))
    rules.answer(errno.ENOTSUP, calls.NOT_SUPPORTED)
    rules.add_commands()
    rules.add_creation()
    rules.add_sockets()
    if not with_gpu:
        rules.add_requests()
        return (rules.program(),)
    rules.allow("ioctl")
    terminals = _Rules(pyseccomp, default=pyseccomp.ALLOW)
    terminals.deny_terminal_requests()
    return rules.program(), terminals.program()


class _Rules:
    """A filter in the making."""

    def __init__(self, pyseccomp: Any, *, default: Any) -> None:
        self._library = pyseccomp
        self._filter = pyseccomp.SyscallFilter(default)
        self._filter.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
        self._filter.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)

    def allow(self, names: str, *conditions: Any) -> None:
        for name in names.split():
            if self._exists(name):
                self._filter.add_rule(self._library.ALLOW, name, *conditions)

    def answer(self, number: int, names: str, *conditions: Any) -> None:
        """Answer with `number`, or pretend success with 0."""
        for name in names.split():
            if self._exists(name):
                self._filter.add_rule(self._library.ERRNO(number), name, *conditions)

    def add_commands(self) -> None:
        """Calls that take a command, an option, an advice or a resource; the kernel looks at its low word only."""
        for command in calls.FCNTL_COMMANDS:
            self.allow("fcntl", self._is(1, command))
        for command in calls.FCNTL_TAKING_LOCKS:
            self.answer(0, "fcntl", self._is(1, command))
        for command in calls.FCNTL_ASKING_FOR_LOCKS:
            self.answer(errno.ENOLCK, "fcntl", self._is(1, command))
        for advice in calls.MADVISE_ADVICE:
            self.allow("madvise", self._is(2, advice))
        for advice in calls.MADVISE_PRETENDED:
            self.answer(0, "madvise", self._is(2, advice))
        for option in calls.PRCTL_OPTIONS:
            self.allow("prctl", self._is(0, option))
        for resource in calls.RLIMITS_SET:
            self.allow("setrlimit", self._is(0, resource))
            self.allow("prlimit64", self._is(1, resource))
        self.allow(
            "prlimit64", self._is(1, _RLIMIT_CORE), self._library.Arg(2, self._library.EQ, 0)
        )  # reading RLIMIT_CORE
        self.allow("mmap", self._without(3, calls.MAP_HUGETLB))

    def add_creation(self) -> None:
        """New processes without namespaces, and modes of files without set-id bits."""
        self.allow("clone", self._without(0, calls.CLONE_DENIED))
        for name, position in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2)):
            self.allow(name, self._without(position, calls.SET_ID_BITS))

    def add_sockets(self) -> None:
        for name in ("socket", "socketpair"):
            self.allow(name, self._library.Arg(0, self._library.EQ, _AF_UNIX))
            self.answer(errno.EAFNOSUPPORT, name, self._library.Arg(0, self._library.NE, _AF_UNIX))
        # Without a name the kernel makes one, and older ones count these up for the whole machine.
        self.allow("bind", self._library.Arg(2, self._library.GT, _ADDRESS_WITHOUT_NAME_BYTES))
        for option in calls.SOCKET_OPTIONS_READ:
            self.allow("getsockopt", self._is(1, calls.SOL_SOCKET), self._is(2, option))
        for option in calls.SOCKET_OPTIONS_SET:
            self.allow("setsockopt", self._is(1, calls.SOL_SOCKET), self._is(2, option))
        self.answer(0, "setsockopt", self._is(1, calls.SOL_SOCKET), self._is(2, calls.SO_SNDBUF))

    def add_requests(self) -> None:
        for request in calls.IOCTL_REQUESTS:
            self.allow("ioctl", self._is(1, request))

    def deny_terminal_requests(self) -> None:
        for request in calls.IOCTL_DENIED_WITH_GPU:
            self.answer(errno.ENOSYS, "ioctl", self._is(1, request))

    def program(self) -> bytes:
        with tempfile.TemporaryFile() as file:
            self._filter.export_bpf(file)
            file.seek(0)
            return file.read()

    def _is(self, position: int, value: int) -> Any:
        return self._library.Arg(position, self._library.MASKED_EQ, _LOW_WORD, value)

    def _without(self, position: int, bits: int) -> Any:
        return self._library.Arg(position, self._library.MASKED_EQ, bits, 0)

    def _exists(self, name: str) -> bool:
        try:
            return int(self._library.resolve_syscall(self._library.system_arch(), name)) >= 0
        except (ValueError, OSError):
            return False


def supported() -> bool:
    """Whether the rules were written for this machine's architecture."""
    return platform.machine() in {"x86_64", "aarch64"}
