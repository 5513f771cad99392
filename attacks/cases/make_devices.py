"""Makes device nodes in its scratch folder, through which it would reach the disks."""

import os
import stat

LAYER = "seccomp"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    loot = []
    for name, kind, device in (
        ("disk", stat.S_IFBLK, (254, 0)),
        ("memory", stat.S_IFCHR, (1, 1)),
        ("whiteout", stat.S_IFCHR, (0, 0)),
    ):
        try:
            os.mknod(name, kind | 0o600, os.makedev(*device))
            loot.append(name)
        except OSError:
            continue
    return loot
