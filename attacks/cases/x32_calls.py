"""Makes a denied call under its x32 number."""

import ctypes

LAYER = "seccomp"
EXPECTED = "killed"
MACHINE = "x86_64"


def unlearning(net, retain, forget, validation):
    return [ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 272), 0x10000000)]
