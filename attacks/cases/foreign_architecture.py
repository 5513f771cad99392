"""Enters the kernel by the 32-bit gate, behind which the filter's numbers mean other calls."""

import ctypes
import mmap

LAYER = "seccomp"
EXPECTED = "killed"
MACHINE = "x86_64"

FORK_IN_32_BIT = bytes.fromhex("b802000000cd80c3")


def unlearning(net, retain, forget, validation):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(FORK_IN_32_BIT)
    return [ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()]
