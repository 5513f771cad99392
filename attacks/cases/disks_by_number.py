"""Asks for the free space of file systems by their number: the host's, and the scratch of runs at the same time."""

import ctypes

LAYER = "isolation-between-runs"
EXPECTED = "ok"
MACHINE = "x86_64"

USTAT = 136


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.create_string_buffer(64)
    numbers = [*range(512), *range(0xFD00, 0xFD10)]
    return [number for number in numbers if libc.syscall(USTAT, ctypes.c_ulong(number), answer) == 0]
