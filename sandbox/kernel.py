"""The few Linux calls that Python does not wrap, for the trusted processes inside the jail."""

import ctypes
import os
import signal
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_NOATIME = 1024
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_THP_DISABLE = 41
_SECCOMP_MODE_FILTER = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_HIGHEST_CAPABILITY = 63
_EINVAL = 22
_MADV_COLLAPSE = 25

_libc = ctypes.CDLL(None, use_errno=True)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_NEW* `flags`; raises OSError."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind `fd`, of the `kind` CLONE_NEW*; raises OSError."""
    _check(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def map_own_ids(uid: int, gid: int) -> None:
    """In a new user namespace, let the uid and gid from before be what they were; raises OSError."""
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path(f"/proc/self/{name}").write_text(line, encoding="ascii")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2); raises OSError naming the target."""
    done = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind is not None else None,
        ctypes.c_ulong(flags),
        options.encode() if options is not None else None,
    )
    _check(done, f"mount on {target}")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends; raises OSError."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0), "PR_SET_PDEATHSIG")


def drop_capabilities() -> None:
    """Give up every capability for good, and every way to regain one; raises OSError."""
    for capability in range(_HIGHEST_CAPABILITY + 1):
        done = _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
        if done != 0 and ctypes.get_errno() == _EINVAL:
            break  # the kernel knows no higher capability
        _check(done, "PR_CAPBSET_DROP")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    header = _CapHeader(_LINUX_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), none), "capset")


def install_seccomp(program: bytes) -> None:
    """Put a BPF `program` (array of struct sock_filter) on this process for good; raises OSError."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    done = _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(fprog), 0, 0)
    _check(done, "PR_SET_SECCOMP")


def sort_once() -> None:
    """Let the C library's qsort ask for the machine's memory, which it remembers: guests cannot ask."""
    numbers = (ctypes.c_int * 1024)()
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
    _libc.qsort(numbers, ctypes.c_size_t(len(numbers)), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int)), compare)


def refuse_huge_pages() -> None:
    """Give this process and those that it forks no more huge pages than it has; raises OSError."""
    _check(_libc.prctl(_PR_SET_THP_DISABLE, ctypes.c_ulong(1), 0, 0, 0), "PR_SET_THP_DISABLE")


def collapse(address: int, size: int) -> bool:
    """Move the memory at `address` onto huge pages; False when that fails or the kernel does not know the request."""
    return bool(_libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), _MADV_COLLAPSE) == 0)


def _check(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
