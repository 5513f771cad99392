"""Reads every page of every file in several ways, and advises on them: a later run would notice by its faults."""

import contextlib
import ctypes
import mmap
import os

LAYER = "isolation-between-runs"
EXPECTED = "ok"
OBSERVED = True

READ_IN_ADVANCE = 0x8000
HINTS = (0, 1, 2, 3, 4, 8, 9, 12, 14, 15, 20, 21, 22, 25)


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    for folder, _, names in os.walk("/"):
        for path in (os.path.join(folder, name) for name in names):
            if not os.path.isfile(path) or not os.path.getsize(path):
                continue
            with contextlib.suppress(OSError), open(path, "rb") as file:
                file.seek(0, os.SEEK_HOLE)
                file.seek(0)
                file.read(1 << 20)
                for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE | READ_IN_ADVANCE):
                    with mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ) as pages:
                        sum(pages[place] for place in range(0, len(pages), 4096))
                        for hint in HINTS:
                            with contextlib.suppress(OSError):
                                pages.madvise(hint)
                private = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
                private[0] = 1
                address = ctypes.addressof(ctypes.c_char.from_buffer(private))
                libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(4096))
