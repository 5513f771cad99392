"""Is as much work to clear away as can be, so that killing it takes longer than the host waits for."""

import mmap
import os
import time

LAYER = "limits"
EXPECTED = ("timeout", "out_of_memory", "process_limit", "exit")

NO_RESERVE = 0x4000


def unlearning(net, retain, forget, validation):
    for _ in range(8):
        os.fork()
        try:
            area = mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
            for offset in range(0, 8 << 30, 2 << 20):
                area[offset] = 1
            while True:
                os.mkdir("deeper")
                os.chdir("deeper")
        except (OSError, MemoryError):
            continue
    time.sleep(3600)
