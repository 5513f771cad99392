"""Makes namespaces of its own, in which it would be root, by every call that can."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "unshare(user)": (272, 0x10000000),
    "unshare(user, net, mount)": (272, 0x50020000),
    "unshare(time)": (272, 0x80),
    "clone(user)": (56, 0x10000011, 0, 0, 0, 0),
    "clone(user, pid)": (56, 0x30000011, 0, 0, 0, 0),
    "clone(net)": (56, 0x40000011, 0, 0, 0, 0),
    "clone3": (435, 0, 88),
    "setns": (308, 0, 0),
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
