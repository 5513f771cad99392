"""Becomes root or another user by the calls that programs of the system use."""

import ctypes
import os

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    for attempt in (os.setuid, os.seteuid, os.setgid, os.setegid, lambda uid: os.setgroups([uid]), libc.setfsuid):
        for identity in (0, 65534):
            try:
                attempt(identity)
            except OSError:
                continue
    return [] if os.getresuid() == (1000,) * 3 and os.getresgid() == (1000,) * 3 else [os.getresuid(), os.getresgid()]
