"""Reads out which pages of shared files are in memory, and throws pages out: a notebook that outlasts a run."""

import ctypes
import mmap
import os

LAYER = "isolation-between-runs"
EXPECTED = "ok"

FILE = os.__file__


def unlearning(net, retain, forget, validation):
    descriptor = os.open(FILE, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    loot = []
    for name, attempt in (
        ("preadv2(RWF_NOWAIT)", lambda: os.preadv(descriptor, [bytearray(4096)], 0, os.RWF_NOWAIT)),
        ("fadvise(DONTNEED)", lambda: os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)),
    ):
        try:
            attempt()
            loot.append(name)
        except BlockingIOError:
            loot.append(name)
        except OSError:
            continue
    page = mmap.mmap(descriptor, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    if libc.mincore(address, ctypes.c_size_t(4096), (ctypes.c_ubyte * 1)()) == 0:
        loot.append("mincore")
    if libc.readahead(descriptor, ctypes.c_long(0), ctypes.c_size_t(4096)) == 0:
        loot.append("readahead")
    return loot
