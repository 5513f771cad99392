"""Asks which pages are in memory and where, and makes huge pages that later runs would find: a notebook."""

import ctypes
import mmap
import os

LAYER = "seccomp"
EXPECTED = "ok"
MACHINE = "x86_64"

COLLAPSE, POPULATE_READ, REMOVE = 25, 22, 9


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(os.__file__, os.O_RDONLY)
    page = mmap.mmap(descriptor, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    pages, status, nodes = (ctypes.c_void_p * 1)(address), (ctypes.c_int * 1)(), (ctypes.c_ulong * 16)()
    anonymous = mmap.mmap(-1, 4 << 20)
    aligned = -(-ctypes.addressof(ctypes.c_char.from_buffer(anonymous)) // (2 << 20)) * (2 << 20)
    ctypes.memset(aligned, 1, 2 << 20)
    calls = {
        "move_pages": (279, 0, 1, pages, None, status, 0),
        "mbind": (237, ctypes.c_void_p(address), 4096, 0, None, 0, 0),
        "set_mempolicy": (238, 0, None, 0),
        "get_mempolicy": (239, status, nodes, 1024, ctypes.c_void_p(address), 2),
        "migrate_pages": (256, 0, 1024, nodes, nodes),
        "mincore": (27, ctypes.c_void_p(address), 4096, (ctypes.c_ubyte * 1)()),
        "cachestat": (451, descriptor, (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)(), 0),
        "collapse": (28, ctypes.c_void_p(aligned), 2 << 20, COLLAPSE),
        "populate": (28, ctypes.c_void_p(address), 4096, POPULATE_READ),
        "remove": (28, ctypes.c_void_p(address), 4096, REMOVE),
    }
    return [name for name, words in calls.items() if libc.syscall(*words) >= 0]
