"""Takes shared memory that belongs to no process and no file."""

import mmap
import time

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    hoard = mmap.mmap(-1, 1 << 30)
    for _ in range(1024):
        hoard.write(bytes(1 << 20))
    time.sleep(1)
