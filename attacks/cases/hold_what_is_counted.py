"""Holds as much as it may, for as long as it runs, of what the kernel counts for its user: pages of pipes, watches."""

import contextlib
import os
import select
import socket
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
OBSERVED = True


def unlearning(net, retain, forget, validation):
    for _ in range(12):
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                hold()
                time.sleep(1.5)
                os._exit(0)
    time.sleep(1.5)


def hold():
    kept = [select.epoll()]
    with contextlib.suppress(OSError):
        while True:
            one, other = os.pipe()
            kept[0].register(one, select.EPOLLIN)
            os.set_blocking(other, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(other, bytes(4096))
            kept.append(socket.socketpair())
