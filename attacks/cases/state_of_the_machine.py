"""Reads what the kernel says of the whole machine, free memory, processes, quotas: another run can push them."""

import ctypes
import os
import socket

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

SYSINFO, SYSFS, SYSLOG, F_GETPIPE_SZ, SO_PASSCRED = 99, 139, 103, 1032, 16


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(4096)
    loot = [
        name
        for name, words in {"sysinfo": (SYSINFO, buffer), "sysfs": (SYSFS, 3), "syslog": (SYSLOG, 10, None, 0)}.items()
        if libc.syscall(*words) >= 0
    ]
    read_end, _write_end = os.pipe()
    if libc.fcntl(read_end, F_GETPIPE_SZ) >= 0:
        loot.append("pages that the user's pipes hold")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_UNIX) as other:
        if libc.bind(one.fileno(), b"\x01\x00", 2) == 0:
            loot.append(("a name that the kernel made", one.getsockname()))
        try:
            other.setsockopt(socket.SOL_SOCKET, SO_PASSCRED, 1)
            loot.append("names for those who show credentials")
        except OSError:
            pass
    return loot
