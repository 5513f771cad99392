"""The filters, run by an interpreter of classic BPF: what each call is answered with."""

import errno
import platform
import struct

import pytest

from lethe.sandbox.seccomp import compile_cutoff, compile_filter, supported

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls are x86-64's")

X86_64, I386 = 0xC000003E, 0x40000003
ALLOW, KILL, PRETENDED = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT, ENOLCK, EINVAL = (
    0x00050000 | number for number in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT, errno.ENOLCK, errno.EINVAL)
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
        (101, (0,), EPERM),  # ptrace
        (272, (0,), EPERM),  # unshare
        (165, (0,), EPERM),  # mount
        (319, (0,), EPERM),  # memfd_create
        (435, (0,), ENOSYS),  # clone3
        (56, (0x11,), ALLOW),  # clone
        *[(56, (1 << bit | 0x11,), EPERM) for bit in (17, 25, 26, 27, 28, 29, 30)],
        (56, (0x3D0F00,), ALLOW),  # clone, as for a thread
        (41, (1, 1), ALLOW),  # socket(AF_UNIX)
        *[(41, (family, 1), EAFNOSUPPORT) for family in (0, 2, 10, 16, 17, 38, 40, 44)],
        (41, (1 << 32 | 1, 1), EAFNOSUPPORT),
        (53, (1, 1), ALLOW),  # socketpair(AF_UNIX)
        (53, (2, 1), EAFNOSUPPORT),
        (16, (0, 0x5401), ALLOW),  # ioctl(TCGETS)
        (16, (0, 0x5412), EPERM),  # ioctl(TIOCSTI)
        (16, (0, 1 << 32 | 0x5412), EPERM),
        (16, (0, 0x541C), EPERM),  # ioctl(TIOCLINUX)
        (90, (0, 0o755), ALLOW),  # chmod
        (90, (0, 0o4755), EPERM),
        (91, (0, 0o2755), EPERM),  # fchmod
        (268, (0, 0, 0o6755), EPERM),  # fchmodat
        (56, (0x1011,), EPERM),  # clone with CLONE_PIDFD
        (434, (1, 0), EPERM),  # pidfd_open
        (73, (3, 2), PRETENDED),  # flock
        *[(72, (3, command, 0), PRETENDED) for command in (6, 7, 37, 38)],  # fcntl: taking a lock
        *[(72, (3, command, 0), ENOLCK) for command in (5, 36)],  # fcntl: asking who has one
        *[(72, (3, command, 0), EPERM) for command in (1024, 1026, 1036, 1038)],  # leases, watches, hints
        *[(72, (3, command, 0), ALLOW) for command in (0, 1, 2, 3, 4, 1030, 1031)],  # dup, flags, size of a pipe
        *[(55, (3, 1, option), EPERM) for option in (57, 71, 77)],  # getsockopt: cookies, pidfd
        (55, (3, 1, 7), ALLOW),  # getsockopt(SO_SNDBUF)
        (54, (3, 1, 76), EPERM),  # setsockopt(SO_PASSPIDFD)
        (54, (3, 1, 7), PRETENDED),  # setsockopt(SO_SNDBUF)
        (54, (3, 1, 8), ALLOW),
        (332, (0, 0, 0, 0x17FF), ALLOW),  # statx
        (332, (0, 0, 0, 0x4FFF), EINVAL),  # statx with STATX_MNT_ID_UNIQUE
        (160, (4, 0), EPERM),  # setrlimit(RLIMIT_CORE)
        (160, (7, 0), ALLOW),
        (302, (0, 4, 0, 1), ALLOW),  # prlimit64: reading RLIMIT_CORE
        (302, (0, 4, 1 << 40, 0), EPERM),
        (302, (0, 7, 1, 0), ALLOW),
        *[(number, (), EPERM) for number in (253, 254, 294, 27, 136, 187, 221, 327, 162, 306)],
    ],
)
def test_main_filter(number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert answer(compile_filter(), number, *arguments) == expected


def test_other_architectures_are_killed() -> None:
    assert answer(compile_filter(), 20, arch=I386) == KILL
    assert answer(compile_filter(), 0x40000000 + 39) == KILL


@pytest.mark.parametrize(
    ("number", "expected"), [(0, ALLOW), (450, ALLOW), (451, ENOSYS), (452, ENOSYS), (9999, ENOSYS)]
)
def test_calls_newer_than_the_rules_do_not_exist(number: int, expected: int) -> None:
    assert answer(compile_cutoff(), number) == expected


def test_supported_here() -> None:
    assert supported()
