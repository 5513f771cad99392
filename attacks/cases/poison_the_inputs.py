"""Changes the data, the harness and the sandbox's own code that the next run will start from."""

import mmap
import os

LAYER = "filesystem"
EXPECTED = "ok"

FILES = (
    "/sandbox/inputs/visible.json",
    "/sandbox/code/plain_harness.py",
    "/sandbox/code/lethe/sandbox/guest.py",
    "/sandbox/config.json",
)


def attempts(path):
    yield lambda: os.open(path, os.O_WRONLY)
    yield lambda: os.open(path, os.O_RDWR | os.O_TRUNC)
    yield lambda: os.truncate(path, 0)
    yield lambda: os.chmod(path, 0o777)
    yield lambda: os.unlink(path)
    yield lambda: os.rename(path, path + ".old")
    yield lambda: os.link(path, "/tmp/linked")
    yield lambda: os.utime(path)
    yield lambda: os.setxattr(path, "user.mark", b"x")
    yield lambda: mmap.mmap(os.open(path, os.O_RDONLY), 0, prot=mmap.PROT_WRITE)


def unlearning(net, retain, forget, validation):
    loot = []
    for path in FILES:
        for number, attempt in enumerate(attempts(path)):
            try:
                attempt()
                loot.append((path, number))
            except (OSError, ValueError):
                continue
    return loot
