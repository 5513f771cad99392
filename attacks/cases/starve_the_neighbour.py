"""Sends itself descriptors in messages until the kernel allows its user no more, so that no other run can start."""

import os
import socket
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True


def unlearning(net, retain, forget, validation):
    pairs = []
    try:
        while True:
            pairs.append(socket.socketpair())
            for _ in range(64):
                socket.send_fds(pairs[-1][0], [b"x"], [0] * 250)
    except OSError:
        time.sleep(0.4)
    for pair in pairs:
        os.close(pair[0].detach())
        os.close(pair[1].detach())
