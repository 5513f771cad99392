"""Takes memory in many processes, none of which has much."""

import os
import time

LAYER = "limits"
EXPECTED = ("out_of_memory", "process_limit")


def unlearning(net, retain, forget, validation):
    for _ in range(8):
        if os.fork() == 0:
            hoard = b"x" * (40 << 20)
            time.sleep(60)
            os._exit(len(hoard) % 2)
    time.sleep(60)
