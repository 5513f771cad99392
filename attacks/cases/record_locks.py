"""Writes numbers into the places of record locks on a shared file, and asks who else has locked it where."""

import fcntl
import os
import struct
import time

LAYER = "isolation-between-runs"
EXPECTED = "ok"
RUNS = 2
AT_ONCE = True

LOCK = "hhqqi4x"


def unlearning(net, retain, forget, validation):
    descriptor = os.open("/sandbox/config.json", os.O_RDONLY)
    own = int.from_bytes(os.urandom(4)) + 1
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(LOCK, fcntl.F_RDLCK, 0, own, 1, 0))
    loot = []
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        for start, length in ((0, own), (own + 1, 0)):
            question = struct.pack(LOCK, fcntl.F_WRLCK, 0, start, length, 0)
            try:
                answer = struct.unpack(LOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, question))
            except OSError:
                continue
            if answer[0] != fcntl.F_UNLCK:
                loot.append(answer[2])
        time.sleep(0.02)
    return loot
