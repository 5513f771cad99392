"""Has equal pages of all runs merged, which how long writing takes would tell, and hyperthreads kept for itself."""

import ctypes
import errno
import mmap

LAYER = "seccomp"
EXPECTED = "ok"

SCHED_CORE, SCHED_CORE_CREATE, SET_MEMORY_MERGE, MADV_MERGEABLE = 62, 1, 67, 12


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    loot = []
    for name, attempt in (
        ("merge all", lambda: libc.prctl(SET_MEMORY_MERGE, 1, 0, 0, 0)),
        ("merge some", lambda: libc.madvise(ctypes.c_void_p(address), mmap.PAGESIZE, MADV_MERGEABLE)),
        ("own core", lambda: libc.prctl(SCHED_CORE, SCHED_CORE_CREATE, 0, 0, 0)),
    ):
        ctypes.set_errno(0)
        answer = attempt()
        if answer != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            loot.append((name, answer, ctypes.get_errno()))
    return loot
