"""Makes a program that would run as its owner, by every call that changes a mode."""

import ctypes
import os
import shutil

LAYER = "seccomp"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    shutil.copy("/bin/sh", "shell")
    descriptor = os.open("shell", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    for attempt in (
        lambda: os.chmod("shell", 0o4755),
        lambda: os.fchmod(descriptor, 0o2755),
        lambda: os.chmod("shell", 0o6755, dir_fd=os.open(".", os.O_RDONLY)),
        lambda: libc.syscall(ctypes.c_long(452), -100, b"shell", 0o4755, 0),  # fchmodat2
    ):
        try:
            attempt()
        except OSError:
            continue
    return [os.stat("shell").st_mode & 0o6000] if os.stat("shell").st_mode & 0o6000 else []
