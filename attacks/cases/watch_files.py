"""Watches the files that other runs and the host's programs share with it."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "inotify_init": (253,),
    "inotify_init1": (294, 0),
    "inotify_add_watch": (254, 0, 0, 0),
    "fanotify_init": (300, 0, 0),
    "fanotify_mark": (301, -1, 0, 0, -100, 0),
    "fcntl(SETLEASE)": (72, 0, 1024, 0),
    "fcntl(NOTIFY)": (72, 0, 1026, 2),
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
