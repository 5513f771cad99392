"""Starts threads for ever."""

import threading
import time

LAYER = "limits"
EXPECTED = "process_limit"


def unlearning(net, retain, forget, validation):
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
