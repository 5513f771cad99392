"""Lets the processes of a data loader start threads for ever."""

import threading
import time

from torch.utils.data import DataLoader

LAYER = "limits"
EXPECTED = ("process_limit", "exception", "timeout")
HARNESS = "torch"


def bomb(number):
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def unlearning(net, retain, forget, validation):
    loader = DataLoader(retain.dataset, batch_size=2, num_workers=2, worker_init_fn=bomb)
    for _ in range(2):
        for _batch in loader:
            pass
