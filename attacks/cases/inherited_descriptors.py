"""Looks for open descriptors that lead out: files, folders, sockets, memory of other processes."""

import os
import stat

LAYER = "filesystem"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for descriptor in range(65_536):
        try:
            kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        except OSError:
            continue
        if kind not in (stat.S_IFIFO, stat.S_IFCHR):
            loot.append(descriptor)
    return loot
