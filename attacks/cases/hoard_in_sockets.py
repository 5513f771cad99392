"""Takes memory that no process has: what was sent through sockets and nobody receives, by many processes."""

import os
import socket
import time

LAYER = "limits"
EXPECTED = "out_of_memory"


def unlearning(net, retain, forget, validation):
    for _ in range(16):
        if os.fork() == 0:
            kept = []
            while True:
                try:
                    kept.append(socket.socketpair())
                except OSError:
                    break
            for pair in kept:
                for end in pair:
                    end.setblocking(False)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
                    try:
                        while True:
                            end.send(bytes(1 << 15))
                    except BlockingIOError:
                        continue
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
