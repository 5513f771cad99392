"""The filters, run by an interpreter of classic BPF: what each call is answered with."""

import errno
import platform
import re
import struct
from collections import Counter

import pytest

from lethe.sandbox import system_calls
from lethe.sandbox.seccomp import compile_filters, supported

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are x86-64's")

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, KILL, PRETENDED = 0x7FFF0000, 0x80000000, 0x00050000
ENOSYS, EAFNOSUPPORT, ENOLCK, ENOTSUP = (
    0x00050000 | number for number in (errno.ENOSYS, errno.EAFNOSUPPORT, errno.ENOLCK, errno.ENOTSUP)
)


def answer(program: bytes, number: int, *arguments: int, arch: int = X86_64) -> int:
    """What `program` returns for a call: the part of classic BPF that such filters use."""
    words = [value & (2**64 - 1) for value in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("=iIQ6Q", number - 2**32 if number >= 2**31 else number, arch, 0, *words)
    accumulator, position = 0, 0
    while True:
        code, true, false, operand = struct.unpack_from("=HBBI", program, position * 8)
        position += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x05:
            position += operand
        elif code == 0x06:
            return int(operand)
        elif code in (0x15, 0x25, 0x35):
            holds = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}[code]
            position += true if holds else false
        else:
            raise AssertionError(f"instruction {code:#x} is not interpreted here")


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (0, (0, 0, 0), ALLOW),  # read
        (57, (), ALLOW),  # fork
        (101, (0,), ENOSYS),  # ptrace
        (272, (0,), ENOSYS),  # unshare
        (165, (0,), ENOSYS),  # mount
        (319, (0,), ENOSYS),  # memfd_create
        (435, (0,), ENOSYS),  # clone3
        (56, (0x11,), ALLOW),  # clone
        *[(56, (1 << bit | 0x11,), ENOSYS) for bit in (17, 25, 26, 27, 28, 29, 30)],
        (56, (0x3D0F00,), ALLOW),  # clone, as for a thread
        (41, (1, 1), ALLOW),  # socket(AF_UNIX)
        *[(41, (family, 1), EAFNOSUPPORT) for family in (0, 2, 10, 16, 17, 38, 40, 44)],
        (41, (1 << 32 | 1, 1), EAFNOSUPPORT),
        (53, (1, 1), ALLOW),  # socketpair(AF_UNIX)
        (53, (2, 1), EAFNOSUPPORT),
        (16, (0, 0x5401), ALLOW),  # ioctl(TCGETS)
        (16, (0, 0x5412), ENOSYS),  # ioctl(TIOCSTI)
        (16, (0, 1 << 32 | 0x5412), ENOSYS),
        (16, (0, 0x541C), ENOSYS),  # ioctl(TIOCLINUX)
        (90, (0, 0o755), ALLOW),  # chmod
        (90, (0, 0o4755), ENOSYS),
        (91, (0, 0o2755), ENOSYS),  # fchmod
        (268, (0, 0, 0o6755), ENOSYS),  # fchmodat
        (56, (0x1011,), ENOSYS),  # clone with CLONE_PIDFD
        (434, (1, 0), ENOSYS),  # pidfd_open
        (73, (3, 2), PRETENDED),  # flock
        *[(72, (3, command, 0), PRETENDED) for command in (6, 7, 37, 38)],  # fcntl: taking a lock
        *[(72, (3, command, 0), ENOLCK) for command in (5, 36)],  # fcntl: asking who has one
        *[(72, (3, command, 0), ENOSYS) for command in (1024, 1026, 1036, 1038)],  # leases, watches, hints
        *[(72, (3, command, 0), ALLOW) for command in (0, 1, 2, 3, 4, 8, 1030, 1033)],  # dup, flags, seals
        *[(72, (3, command, 0), ENOSYS) for command in (1031, 1032, 1 << 32 | 1032, 9999)],  # the size of a pipe
        (72, (3, 1 << 32 | 2, 0), ALLOW),  # the kernel looks at the low word alone
        *[(55, (3, 1, option), ENOSYS) for option in (57, 71, 77)],  # getsockopt: cookies, pidfd
        (55, (3, 1, 7), ALLOW),  # getsockopt(SO_SNDBUF)
        (54, (3, 1, 76), ENOSYS),  # setsockopt(SO_PASSPIDFD)
        (54, (3, 1, 7), PRETENDED),  # setsockopt(SO_SNDBUF)
        (54, (3, 1, 8), ALLOW),
        *[(332, (0, 0, 0, mask), ENOSYS) for mask in (0x7FF, 0x17FF, 0x4FFF)],  # statx, which tells numbers of mounts
        (9, (0, 4096, 3, 0x22), ALLOW),  # mmap
        (9, (0, 4096, 3, 0x40022), ENOSYS),  # mmap with MAP_HUGETLB
        (148, (0,), ENOSYS),  # sched_rr_get_interval, which older kernels answer by the load
        (160, (4, 0), ENOSYS),  # setrlimit(RLIMIT_CORE)
        (160, (7, 0), ALLOW),
        (302, (0, 4, 0, 1), ALLOW),  # prlimit64: reading RLIMIT_CORE
        (302, (0, 4, 1 << 40, 0), ENOSYS),
        (302, (0, 7, 1, 0), ALLOW),
        *[(54, (3, 1, option), ENOSYS) for option in (16, 46)],  # setsockopt: PASSCRED, BUSY_POLL
        (49, (3, 0, 16), ALLOW),  # bind
        (49, (3, 0, 2), ENOSYS),  # bind to whatever name the kernel counts up to
        *[(28, (0, 0, advice), ALLOW) for advice in (0, 4, 8, 10, 16)],  # madvise: DONTNEED, FREE …
        *[(28, (0, 0, advice), PRETENDED) for advice in (1, 2, 3, 14, 15, 20, 21)],  # hints: RANDOM, HUGEPAGE, COLD …
        *[
            (28, (0, 0, advice), ENOSYS) for advice in (9, 12, 22, 23, 25, 100, 102)
        ],  # REMOVE, MERGEABLE, POPULATE, COLLAPSE
        *[(number, (3,), PRETENDED) for number in (74, 75, 277, 26)],  # fsync, fdatasync, sync_file_range, msync
        *[(number, (), ENOTSUP) for number in (188, 190, 197, 199)],  # attributes of files
        *[
            (16, (0, request), ALLOW) for request in (0x5413, 0x541B, 0x5421)
        ],  # ioctl: the size of a terminal, FIONREAD …
        *[(16, (0, request), ENOSYS) for request in (0x40049409, 0x6601, 0)],  # FICLONE, FS_IOC_GETFLAGS
        *[(157, (option,), ALLOW) for option in (1, 15, 38, 39)],  # prctl: PDEATHSIG, NAME, NO_NEW_PRIVS
        *[
            (157, (option,), ENOSYS) for option in (22, 35, 41, 42, 62, 67)
        ],  # SECCOMP, MM, THP_DISABLE, SCHED_CORE, merging
        *[(number, (), ENOSYS) for number in (253, 254, 294, 27, 136, 187, 221, 327, 162, 306)],
        *[(number, (), ENOSYS) for number in (279, 256, 237, 238, 239, 206, 209, 99, 317, 149, 324, 451, 452, 9999)],
    ],
)
def test_main_filter(number: int, arguments: tuple[int, ...], expected: int) -> None:
    (program,) = compile_filters()
    assert answer(program, number, *arguments) == expected


def test_other_architectures_are_killed() -> None:
    for program in compile_filters():
        assert answer(program, 20, arch=I386) == KILL
        assert answer(program, 0x40000000 + 39) == KILL


def test_a_guest_with_a_gpu_may_ask_the_driver_and_no_terminal() -> None:
    def strictest(*words: int) -> int:
        return min((answer(program, *words) for program in compile_filters(with_gpu=True)), key=_PRECEDENCE.index)

    assert strictest(16, 0, 0xC020462A) == ALLOW  # ioctl: one of the driver's
    assert strictest(16, 0, 0x5412) == strictest(16, 0, 1 << 32 | 0x541C) == ENOSYS  # TIOCSTI, TIOCLINUX
    assert strictest(279, 0) == ENOSYS
    assert strictest(0, 0) == ALLOW


_PRECEDENCE = [KILL, ENOSYS, ALLOW]


def test_every_call_has_one_reason() -> None:
    lists = (*system_calls.ALLOWED.values(), *system_calls.PRETENDED.values(), system_calls.NOT_SUPPORTED)
    named = Counter(name for names in lists for name in names.split())
    assert [name for name, times in named.items() if times > 1] == []
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in named)


def test_supported_here() -> None:
    assert supported()
