"""Makes the host write out all its disks, over and over."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "syncfs": (306, 0),
    "sync": (162,),
}


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    loot = []
    for name, words in CALLS.items():
        ctypes.set_errno(0)
        answer = libc.syscall(*[ctypes.c_long(word) for word in words])
        if answer != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            loot.append((name, answer, ctypes.get_errno()))
    return loot
