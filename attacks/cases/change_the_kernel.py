"""Loads modules and another kernel, restarts the machine, opens its ports, turns on accounting."""

import ctypes
import errno

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

CALLS = {
    "init_module": (175, 0, 0, 0),
    "finit_module": (313, -1, 0, 0),
    "delete_module": (176, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, -1, -1, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "ioperm": (173, 0, 1, 1),
    "iopl": (172, 3),
    "modify_ldt": (154, 0, 0, 0),
    "acct": (163, 0),
    "vhangup": (153,),
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
