"""Meets the run beside it in a named semaphore and in a file of shared memory."""

import os
import time
from multiprocessing import shared_memory

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True


def unlearning(net, retain, forget, validation):
    try:
        place = shared_memory.SharedMemory("meeting", create=True, size=4096)
    except FileExistsError:
        return ["another run is there"]
    time.sleep(0.4)
    place.unlink()
    return [name for name in os.listdir("/dev/shm") if name != "meeting"]
