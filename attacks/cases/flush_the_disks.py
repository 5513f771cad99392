"""Makes the host write out its disks, over and over."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "syncfs": (306, 0),
    "sync": (162,),
}


# On a descriptor that is not open, so that success means that the kernel was never asked.
PRETENDED = {
    "fsync": (74, 999),
    "fdatasync": (75, 999),
    "sync_file_range": (277, 999, 0, 0, 0),
    "msync": (26, 1, 1, 99),
}


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    loot = [name for name, words in PRETENDED.items() if libc.syscall(*[ctypes.c_long(word) for word in words]) != 0]
    for name, words in CALLS.items():
        ctypes.set_errno(0)
        answer = libc.syscall(*[ctypes.c_long(word) for word in words])
        if answer != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            loot.append((name, answer, ctypes.get_errno()))
    return loot
