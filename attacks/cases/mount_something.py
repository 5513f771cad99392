"""Mounts, unmounts and moves, by the old calls and by the new ones, and changes its root."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "mount": (165, 0, 0, 0, 0, 0),
    "umount2": (166, 0, 2),
    "pivot_root": (155, 0, 0),
    "chroot": (161, 0),
    "open_tree": (428, -100, 0, 1),
    "move_mount": (429, -100, 0, -100, 0, 0),
    "fsopen": (430, 0, 0),
    "fsconfig": (431, 0, 0, 0, 0, 0),
    "fsmount": (432, 0, 0, 0),
    "fspick": (433, -100, 0, 0),
    "mount_setattr": (442, -100, 0, 0, 0, 0),
    "swapon": (167, 0, 0),
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
