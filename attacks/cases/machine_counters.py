"""Reads numbers that the kernel counts up for the whole machine: they tell a run its place in the order of runs.

A submission that plays its part of a plan by its place, run by run, could draw any distribution of outcomes.
"""

import ctypes
import os
import socket

LAYER = "isolation-between-runs"
EXPECTED = "ok"
MACHINE = "x86_64"

SO_COOKIE, SO_PASSPIDFD, SO_NETNS_COOKIE, SO_PEERPIDFD = 57, 76, 71, 77
STATX_MNT_ID = 0x1000


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    one, _other = socket.socketpair()
    buffer = ctypes.create_string_buffer(256)
    loot = []
    for name, attempt in (
        ("cookie of a socket", lambda: one.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8)),
        ("cookie of the network namespace", lambda: one.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)),
        ("pidfd of the other end", lambda: one.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 8)),
        ("pidfds in messages", lambda: one.setsockopt(socket.SOL_SOCKET, SO_PASSPIDFD, 1)),
        ("number of a process", lambda: os.fstat(os.pidfd_open(os.getpid())).st_ino),
    ):
        try:
            loot.append((name, attempt()))
        except OSError:
            continue
    if libc.syscall(ctypes.c_long(332), -100, b"/tmp", 0, STATX_MNT_ID, buffer) == 0:
        loot.append("number of a mount")
    if libc.syscall(ctypes.c_long(56), ctypes.c_long(0x1000 | 17), 0, buffer, 0, 0) > 0:
        loot.append("pidfd of a child")
    return loot
